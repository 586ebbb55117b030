-- Question:   from which captures does the real traffic come, and what are their hashes?
-- Parameters: none
-- Columns:    name, bytes, format, packets, kept (are its bytes in the study?), digest (BLAKE3 of the file),
--             damage (why reading stopped early; NULL where it did not)
SELECT name, bytes, format, packets, kept, digest, damage
FROM captures
ORDER BY name, digest

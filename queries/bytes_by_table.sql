-- Question:   where do the bytes of the study lie?
-- Parameters: none
-- Columns:    name (columnar table or kind of object), content (`segments` or `objects`), items (segments or
--             objects), raw_bytes, stored_bytes (compressed), ratio (raw / stored), share (of all stored bytes)
SELECT
    name, content, items, raw_bytes, stored_bytes,
    CAST(raw_bytes AS DOUBLE) / nullif(stored_bytes, 0) AS ratio,
    CAST(stored_bytes AS DOUBLE) / nullif(sum(stored_bytes) OVER (), 0) AS share
FROM table_bytes
ORDER BY stored_bytes DESC, name

-- Question:   what did ingest leave out, per class and reason?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    dataset, class, reason, captures (how many have it), packets, example
SELECT
    dataset, class, reason,
    count(DISTINCT capture_id) AS captures,
    sum(packets) AS packets,
    min(example) AS example
FROM capture_drops
WHERE $dataset IS NULL OR dataset = $dataset
GROUP BY dataset, class, reason
ORDER BY dataset, class, packets DESC, reason

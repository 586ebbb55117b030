-- Question:   what did ingest leave out, per class and reason?
-- Parameters: $dataset = NULL (all datasets)
--             $examples = true (false: none, since an example may be the size of one flow)
-- Columns:    dataset, class, reason, captures (how many have it), packets, example
SELECT
    dataset, class, reason,
    count(DISTINCT capture_id) AS captures,
    sum(packets) AS packets,
    CASE WHEN $examples THEN min(example) END AS example
FROM capture_drops
WHERE $dataset IS NULL OR dataset = $dataset
GROUP BY dataset, class, reason
ORDER BY dataset, class, packets DESC, reason

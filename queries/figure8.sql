-- Question:   the paper's Figures 1 and 8: which images does an image generator train on?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    dataset, class, trace_id (the longest trace of the class), rows (packets) and width (ternary bits) of its nPrint
--             image, data (value plane, then presence plane)
WITH numbered AS (
    SELECT
        dataset, class, trace_id, rows, width, data,
        row_number() OVER (PARTITION BY dataset, class ORDER BY rows DESC, trace_id) AS place
    FROM encodings
    WHERE encoding = 'nprint' AND ($dataset IS NULL OR dataset = $dataset)
)
SELECT dataset, class, trace_id, rows, width, data
FROM numbered
WHERE place = 1
ORDER BY dataset, class

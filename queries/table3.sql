-- Question:   the paper's appendix Table 3 from own data: how are packet lengths spread in real traffic?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    dataset, class, packets, median, std_dev (of the population), max: IP length in bytes of the
--             packets that are in traces; paper_median, paper_std_dev, paper_max (as printed)
WITH measured AS (
    SELECT
        dataset, class,
        count(*) AS packets,
        median(CAST(ip_length AS DOUBLE)) AS median,
        stddev_pop(ip_length) AS std_dev,
        max(ip_length) AS max
    FROM packets
    WHERE NOT synthetic AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY dataset, class
)
SELECT
    ours.dataset, ours.class, ours.packets, ours.median, ours.std_dev, ours.max,
    paper.median AS paper_median, paper.std_dev AS paper_std_dev, paper.max AS paper_max
FROM measured AS ours
LEFT JOIN paper_table3 AS paper ON paper.dataset = ours.dataset AND paper.class = ours.class
ORDER BY ours.dataset, ours.class

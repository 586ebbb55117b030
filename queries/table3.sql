-- Question:   the paper's appendix Table 3 from own data: how are packet lengths spread in real traffic?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    dataset, class, packets, median, std_dev (of the population), max: IP length in bytes of the
--             packets that are in traces
SELECT
    dataset, class,
    count(*) AS packets,
    median(CAST(ip_length AS DOUBLE)) AS median,
    stddev_pop(ip_length) AS std_dev,
    max(ip_length) AS max
FROM packets
WHERE NOT synthetic AND ($dataset IS NULL OR dataset = $dataset)
GROUP BY dataset, class
ORDER BY dataset, class

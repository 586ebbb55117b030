-- Question:   which header fields do downstream classifiers use?
-- Parameters: $dataset = NULL (all datasets)
--             $limit = 20 (rows)
-- Columns:    dataset, generator (NULL: trained on real traces), regime, trained_on, field, importance (sum over
--             packet positions of the share of the decrease in impurity), first_packet (the part of it at position
--             0), plan (the spec that every number of the row is of; see the table plans)
SELECT
    dataset, generator,
    CASE
        WHEN trained_on <> 'synthetic' THEN NULL
        WHEN other_regime IS NOT NULL THEN other_regime
        WHEN epsilon IS NULL THEN 'no DP'
        ELSE concat('eps ', epsilon)
    END AS regime,
    trained_on, field,
    sum(importance) AS importance,
    sum(CASE WHEN position = 0 THEN importance ELSE 0 END) AS first_packet, plan
FROM importances
WHERE $dataset IS NULL OR dataset = $dataset
GROUP BY dataset, generator, epsilon, other_regime, plan, trained_on, field
ORDER BY dataset, trained_on, generator, epsilon NULLS FIRST, regime DESC, importance DESC, field
LIMIT $limit

-- Question:   the paper's Figure 3: how far are categorical header fields from real ones, by budget?
-- Parameters: $metric = jsd (`jsd` distance or `js_divergence`)
--             $dataset = NULL (all datasets)
-- Columns:    dataset, generator, field, epsilon, regime, value (mean over classes and packet positions of
--             synthetic against member traces), held_out (the floor: the same for as many real traces
--             that the model never saw), classes, plan (the spec that every number of the row is of; see the table
--             plans)
SELECT
    dataset, generator, field, epsilon, plan, regime,
    avg(synthetic_value) AS value, avg(held_out_value) AS held_out, count(DISTINCT class) AS classes
FROM field_fidelity
WHERE (plan IS NULL OR plan = (SELECT plan FROM newest_plan))
    AND metric = $metric AND ($dataset IS NULL OR dataset = $dataset)
GROUP BY dataset, generator, field, epsilon, plan, regime
ORDER BY dataset, generator, field, epsilon NULLS FIRST, regime DESC

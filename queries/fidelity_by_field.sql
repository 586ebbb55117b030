-- Question:   how far are synthetic packets from real ones, per header field?
-- Parameters: $metric = jsd (`jsd`, `js_divergence`, `wasserstein`, `wasserstein_scaled`)
--             $dataset = NULL (all datasets)
-- Columns:    generator, dataset, regime, field, metric, synthetic_value (mean over packet positions and
--             classes, synthetic against member traces), held_out_value (the floor: the same for
--             as many real traces that the model never saw), excess (their difference), classes, plan (the spec that
--             every number of the row is of; see the table plans)
SELECT
    generator, dataset, regime, field, metric,
    avg(synthetic_value) AS synthetic_value,
    avg(held_out_value) AS held_out_value,
    avg(synthetic_value) - avg(held_out_value) AS excess,
    count(DISTINCT class) AS classes, plan
FROM field_fidelity
WHERE metric = $metric AND ($dataset IS NULL OR dataset = $dataset)
GROUP BY generator, dataset, epsilon, plan, regime, field, metric
ORDER BY generator, dataset, epsilon DESC NULLS FIRST, regime DESC, field

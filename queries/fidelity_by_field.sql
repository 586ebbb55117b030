-- Question:   how far are synthetic packets from real ones, per header field?
-- Parameters: $metric = jsd (`jsd`, `js_divergence`, `wasserstein`, `wasserstein_scaled`)
--             $dataset = NULL (all datasets)
-- Columns:    generator, dataset, regime, field, metric, synthetic_value (mean over packet positions and
--             classes, synthetic against member traces), held_out_value (the same for held-out real traces:
--             the value of a perfect generator), excess (their difference), classes
SELECT
    generator, dataset, regime, field, metric,
    avg(synthetic_value) AS synthetic_value,
    avg(held_out_value) AS held_out_value,
    avg(synthetic_value) - avg(held_out_value) AS excess,
    count(DISTINCT class) AS classes
FROM field_fidelity
WHERE metric = $metric AND ($dataset IS NULL OR dataset = $dataset)
GROUP BY generator, dataset, epsilon, regime, field, metric
ORDER BY generator, dataset, epsilon DESC NULLS FIRST, field

-- Question:   beyond marginals, how does synthetic traffic differ from real traffic?
-- Parameters: $aspect = NULL (`transition`, `timing`, `flow`, `validity`, `joint`, `diversity`, `variance`, `detection`; all aspects)
--             $dataset = NULL (all datasets)
-- Columns:    generator, dataset, regime, aspect, field, metric, synthetic_value (mean over classes, against the
--             members), held_out_value (the floor: the same for as many real traces that the model never saw),
--             synthetic_to_real, members_to_real, held_out_to_real (against fresh real traces: copying the
--             members gets members_to_real), classes, plan (the spec that every number of the row is of; see the
--             table plans)
SELECT
    generator, dataset, regime, aspect, field, metric,
    avg(synthetic_value) AS synthetic_value, avg(held_out_value) AS held_out_value,
    avg(synthetic_to_real) AS synthetic_to_real, avg(members_to_real) AS members_to_real,
    avg(held_out_to_real) AS held_out_to_real,
    count(DISTINCT class) AS classes, plan
FROM traffic_fidelity
WHERE ($aspect IS NULL OR aspect = $aspect) AND ($dataset IS NULL OR dataset = $dataset)
GROUP BY generator, dataset, epsilon, plan, regime, aspect, field, metric
ORDER BY generator, dataset, epsilon DESC NULLS FIRST, regime DESC, aspect, field, metric

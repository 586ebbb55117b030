-- Question:   what does the study say in short: privacy and quality of each generator and budget?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, dataset, class, regime, models (target and shadows), epsilon_end_to_end (infinite
--             where private traces went past the mechanism, NULL without DP), attack (the strongest by mean
--             AUC on shadow test data; the target takes no part in the choice), auc on the target with that attack's
--             interval (0.5 = chance), auc_largest (of all attacks on the target: an upper end, above chance by
--             selection alone), synthetic_packets (that parse; 0 where the model generated
--             none), jsd (mean Jensen-Shannon distance of synthetic from member packets over fields and
--             positions, NULL without synthetic packets), jsd_held_out (the floor: the same
--             for as many real traces that the model never saw), plan (the spec that every number of the row is of;
--             see the table plans)
WITH counted AS (
    SELECT
        generator, dataset, class, epsilon, regime, plan, count(*) AS models,
        max(epsilon_end_to_end) AS epsilon_end_to_end
    FROM models
    WHERE role <> 'base'
    GROUP BY generator, dataset, class, epsilon, regime, plan
),
attacked AS (
    SELECT
        generator, dataset, class, epsilon, regime, plan, min(attack) FILTER (WHERE strongest) AS attack,
        avg(auc) FILTER (WHERE strongest) AS auc, avg(auc_low) FILTER (WHERE strongest) AS auc_low,
        avg(auc_high) FILTER (WHERE strongest) AS auc_high, max(auc) AS auc_largest
    FROM attack_strength
    GROUP BY generator, dataset, class, epsilon, regime, plan
),
generated AS (
    SELECT generator, dataset, class, epsilon, regime, plan, sum(packets) AS synthetic_packets
    FROM synthetic_traces
    WHERE role = 'target'
    GROUP BY generator, dataset, class, epsilon, regime, plan
),
measured AS (
    SELECT
        generator, dataset, class, epsilon, regime, plan,
        avg(synthetic_value) AS jsd, avg(held_out_value) AS jsd_held_out
    FROM field_fidelity
    WHERE metric = 'jsd'
    GROUP BY generator, dataset, class, epsilon, regime, plan
)
SELECT
    counted.generator, counted.dataset, counted.class,
    counted.regime,
    counted.models, counted.epsilon_end_to_end,
    attacked.attack, attacked.auc, attacked.auc_low, attacked.auc_high, attacked.auc_largest,
    generated.synthetic_packets, measured.jsd, measured.jsd_held_out, counted.plan
FROM counted
LEFT JOIN attacked
    ON counted.generator = attacked.generator AND counted.dataset = attacked.dataset
    AND counted.class = attacked.class AND counted.regime = attacked.regime
    AND (counted.plan IS NOT DISTINCT FROM attacked.plan)
LEFT JOIN generated
    ON counted.generator = generated.generator AND counted.dataset = generated.dataset
    AND counted.class = generated.class AND counted.regime = generated.regime
    AND (counted.plan IS NOT DISTINCT FROM generated.plan)
LEFT JOIN measured
    ON counted.generator = measured.generator AND counted.dataset = measured.dataset
    AND counted.class = measured.class AND counted.regime = measured.regime
    AND (counted.plan IS NOT DISTINCT FROM measured.plan)
WHERE $dataset IS NULL OR counted.dataset = $dataset
ORDER BY counted.generator, counted.dataset, counted.class, counted.epsilon DESC NULLS FIRST, counted.regime DESC

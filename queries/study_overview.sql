-- Question:   what does the study say in short: privacy and quality of each generator and budget?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, dataset, class, regime, models (target and shadows), epsilon_end_to_end (infinite
--             where private traces went past the mechanism, NULL without DP), auc with its interval (attack
--             on the target; 0.5 = chance), jsd (mean Jensen-Shannon distance of synthetic from member
--             packets over fields and positions), jsd_held_out (the same for held-out real packets: as good
--             as it can get)
WITH counted AS (
    SELECT
        generator, dataset, class, epsilon, count(*) AS models,
        max(epsilon_end_to_end) AS epsilon_end_to_end
    FROM models
    GROUP BY generator, dataset, class, epsilon
),
attacked AS (
    SELECT generator, dataset, class, epsilon, max(auc) AS auc, max(auc_low) AS auc_low, max(auc_high) AS auc_high
    FROM leakage
    WHERE evaluated_on = 'target'
    GROUP BY generator, dataset, class, epsilon
),
measured AS (
    SELECT
        generator, dataset, class, epsilon,
        avg(synthetic_value) AS jsd, avg(held_out_value) AS jsd_held_out
    FROM field_fidelity
    WHERE metric = 'jsd'
    GROUP BY generator, dataset, class, epsilon
)
SELECT
    counted.generator, counted.dataset, counted.class,
    CASE WHEN counted.epsilon IS NULL THEN 'no DP' ELSE concat('eps ', counted.epsilon) END AS regime,
    counted.models, counted.epsilon_end_to_end,
    attacked.auc, attacked.auc_low, attacked.auc_high,
    measured.jsd, measured.jsd_held_out
FROM counted
LEFT JOIN attacked
    ON counted.generator = attacked.generator AND counted.dataset = attacked.dataset
    AND counted.class = attacked.class AND counted.epsilon IS NOT DISTINCT FROM attacked.epsilon
LEFT JOIN measured
    ON counted.generator = measured.generator AND counted.dataset = measured.dataset
    AND counted.class = measured.class AND counted.epsilon IS NOT DISTINCT FROM measured.epsilon
WHERE $dataset IS NULL OR counted.dataset = $dataset
ORDER BY counted.generator, counted.dataset, counted.class, counted.epsilon DESC NULLS FIRST

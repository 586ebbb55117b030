-- Question:   how many members does the strongest attack find at small false positive rates?
-- Parameters: $attack = NULL (for each generator and budget the one with the largest mean AUC on shadow test data)
--             $dataset = NULL (all datasets)
-- Columns:    generator, epsilon, regime, attack, attribute, fpr (false positive rate that is allowed), tpr (mean over
--             targets of the true positive rate that the attack's ROC curve reaches there; NULL below smallest_fpr, where
--             it would be what is found without any false positive), targets, smallest_fpr (1 / held-out traces of the
--             target with the fewest), plan (the spec that every number of the row is of; see the table plans)
WITH attacked AS (
    SELECT generator, epsilon, regime, plan, attack, attribute, avg(mean_on_shadows) AS mean_on_shadows
    FROM attack_strength
    WHERE (plan IS NULL OR plan = (SELECT plan FROM newest_plan))
        AND auc IS NOT NULL AND ($dataset IS NULL OR dataset = $dataset)
        AND ($attack IS NULL OR attack = $attack)
    GROUP BY generator, epsilon, regime, plan, attack, attribute
),
strongest AS (
    SELECT
        *, row_number() OVER (
            PARTITION BY generator, epsilon, regime, plan ORDER BY mean_on_shadows DESC NULLS LAST, attack, attribute
        ) AS place
    FROM attacked
),
chosen AS (
    SELECT
        leakage.attack_id, strongest.generator, strongest.epsilon, strongest.plan, leakage.regime, strongest.attack,
        strongest.attribute, 1.0 / nullif(leakage.n - leakage.n_members, 0) AS smallest_fpr
    FROM strongest
    JOIN leakage
        ON leakage.generator = strongest.generator AND leakage.attack = strongest.attack
        AND leakage.attribute = strongest.attribute AND leakage.regime = strongest.regime
    AND (leakage.plan IS NOT DISTINCT FROM strongest.plan)
    WHERE strongest.place = 1 AND leakage.evaluated_on = 'target' AND ($dataset IS NULL OR leakage.dataset = $dataset)
),
grid AS (
    SELECT column1 AS allowed
    FROM (VALUES
        (0.001), (0.002), (0.003), (0.005), (0.007), (0.01), (0.015), (0.02), (0.03), (0.04), (0.05), (0.07), (0.1),
        (0.125), (0.15), (0.175), (0.2), (0.25), (0.3), (0.35), (0.4), (0.5), (0.6), (0.7), (0.8), (0.9), (1.0)
    ) AS points
),
reached AS (
    SELECT
        chosen.attack_id, chosen.generator, chosen.epsilon, chosen.plan, chosen.regime, chosen.attack, chosen.attribute,
        chosen.smallest_fpr, grid.allowed,
        max(CASE WHEN roc.fpr <= grid.allowed THEN roc.tpr ELSE 0.0 END) AS tpr
    FROM chosen
    JOIN roc ON roc.attack_id = chosen.attack_id
    CROSS JOIN grid
    WHERE roc.evaluated_on = 'target'
    GROUP BY
        chosen.attack_id, chosen.generator, chosen.epsilon, chosen.plan, chosen.regime, chosen.attack, chosen.attribute,
        chosen.smallest_fpr, grid.allowed
)
SELECT
    generator, epsilon, plan, regime, attack, attribute, allowed AS fpr,
    CASE WHEN allowed >= max(smallest_fpr) - 1e-9 THEN avg(tpr) END AS tpr, count(*) AS targets,
    max(smallest_fpr) AS smallest_fpr
FROM reached
GROUP BY generator, epsilon, plan, regime, attack, attribute, allowed
ORDER BY generator, epsilon DESC NULLS FIRST, regime DESC, fpr, attack, attribute

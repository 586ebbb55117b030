-- Question:   what do summaries of attributes lose against what models say of every position?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, epsilon, regime, whole_attack and whole_attribute (of the attacks on whole attributes the strongest by
--             mean AUC on shadow test data; the target takes no part in the choice), whole_auc with its 95 % interval (mean
--             over targets), attack, attribute and auc with its interval (the same of attacks on summaries), gain
--             (whole_auc minus auc), finding (`whole attributes tell more`, `summaries tell more`: the intervals do not
--             overlap; else `no difference told`), plan (the spec that every number of the row is of; see the table plans)
WITH attacked AS (
    SELECT
        generator, epsilon, regime, plan, attack, attribute, attribute LIKE 'whole%' AS whole,
        avg(mean_on_shadows) AS mean_on_shadows, avg(auc) AS auc,
        sqrt(sum(power(auc_high - auc_low, 2))) / (2.0 * count(*)) AS half_width
    FROM attack_strength
    WHERE auc IS NOT NULL AND attribute NOT LIKE 'synthetic%' AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY generator, epsilon, regime, plan, attack, attribute
),
ranked AS (
    SELECT
        *, greatest(auc - half_width, 0.0) AS auc_low, least(auc + half_width, 1.0) AS auc_high,
        row_number() OVER (
            PARTITION BY generator, regime, plan, whole ORDER BY mean_on_shadows DESC NULLS LAST, attack, attribute
        ) AS place
    FROM attacked
)
SELECT
    whole.generator, whole.epsilon, whole.regime, whole.attack AS whole_attack, whole.attribute AS whole_attribute,
    whole.auc AS whole_auc, whole.auc_low AS whole_auc_low, whole.auc_high AS whole_auc_high,
    summary.attack, summary.attribute, summary.auc, summary.auc_low, summary.auc_high,
    whole.auc - summary.auc AS gain,
    CASE
        WHEN whole.auc_low > summary.auc_high THEN 'whole attributes tell more'
        WHEN whole.auc_high < summary.auc_low THEN 'summaries tell more'
        ELSE 'no difference told'
    END AS finding,
    whole.plan
FROM ranked AS whole
JOIN ranked AS summary
    ON summary.generator = whole.generator AND summary.regime = whole.regime
    AND (summary.plan IS NOT DISTINCT FROM whole.plan)
WHERE whole.place = 1 AND whole.whole AND summary.place = 1 AND NOT summary.whole
ORDER BY whole.generator, whole.epsilon DESC NULLS FIRST, whole.regime DESC, whole.plan

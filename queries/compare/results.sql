-- Question:   what do two studies say about the same models, side by side?
-- Parameters: $first, $second (names of two studies of the session)
--             $changed = false (true: only what differs, or is in one of them alone)
-- Columns:    result (attack, fidelity or utility), dataset, class (NULL over all classes), generator, regime, measured
--             (attack, fields, or task with its learner), metric, first_value with its 95 % interval (first_low, first_high),
--             second_value with its own, verdict (`differs` where the intervals do not overlap, `overlap` where they do,
--             `equal`, `no interval`, or where only one study has it). Of each study the newest spec counts, and what belongs to no spec; several models of one row are averaged,
--             ends of intervals too
WITH results AS (
    SELECT
        study, plan, 'attack' AS result, dataset, class, generator, epsilon, regime,
        concat(attack, ' on ', attribute, CASE WHEN unit = 'host' THEN ' of hosts' ELSE '' END) AS measured,
        'auc' AS metric, auc AS value, auc_low AS low, auc_high AS high
    FROM attacks
    WHERE evaluated_on = 'target'
    UNION ALL
    SELECT
        study, plan, 'attack', dataset, class, generator, epsilon, regime,
        concat(attack, ' on ', attribute, CASE WHEN unit = 'host' THEN ' of hosts' ELSE '' END), 'precision',
        precision, precision_low, precision_high
    FROM attacks
    WHERE evaluated_on = 'target'
    UNION ALL
    SELECT
        study, plan, 'fidelity', dataset, class, generator, epsilon, regime, 'all fields', metric,
        synthetic_value, synthetic_low, synthetic_high
    FROM fidelity_means
    WHERE field = 'all'
    UNION ALL
    SELECT
        study, plan, 'utility', dataset, class, generator, epsilon, regime, concat(task, ' by ', learner), metric,
        value, value_low, value_high
    FROM current_utility
    WHERE trained_on = 'synthetic' AND metric IN ('accuracy', 'macro_f1', 'median_mae')
),
of_newest AS (
    SELECT results.*
    FROM results
    LEFT JOIN newest_plan ON newest_plan.study = results.study
    WHERE results.plan IS NULL OR results.plan = newest_plan.plan
),
sides AS (
    SELECT
        result, dataset, class, generator, epsilon, regime, measured, metric,
        count(*) FILTER (WHERE study = $first) AS of_first,
        avg(value) FILTER (WHERE study = $first) AS first_value,
        CASE
            WHEN count(value) FILTER (WHERE study = $first) = count(low) FILTER (WHERE study = $first)
            THEN avg(low) FILTER (WHERE study = $first)
        END AS first_low,
        avg(high) FILTER (WHERE study = $first) AS first_high,
        count(*) FILTER (WHERE study = $second) AS of_second,
        avg(value) FILTER (WHERE study = $second) AS second_value,
        CASE
            WHEN count(value) FILTER (WHERE study = $second) = count(low) FILTER (WHERE study = $second)
            THEN avg(low) FILTER (WHERE study = $second)
        END AS second_low,
        avg(high) FILTER (WHERE study = $second) AS second_high
    FROM of_newest
    WHERE study IN ($first, $second)
    GROUP BY result, dataset, class, generator, epsilon, regime, measured, metric
),
judged AS (
    SELECT
        *,
        CASE
            WHEN of_second = 0 THEN 'only in the first'
            WHEN of_first = 0 THEN 'only in the second'
            WHEN first_value = second_value OR (first_value IS NULL AND second_value IS NULL) THEN 'equal'
            WHEN first_low IS NULL OR second_low IS NULL THEN 'no interval'
            WHEN first_high < second_low OR second_high < first_low THEN 'differs'
            ELSE 'overlap'
        END AS verdict
    FROM sides
)
SELECT
    result, dataset, class, generator, regime,
    measured, metric, first_value, first_low, first_high, second_value, second_low, second_high, verdict
FROM judged
WHERE $changed = false OR verdict NOT IN ('equal', 'overlap')
ORDER BY result, dataset, class NULLS FIRST, generator, epsilon DESC NULLS FIRST, regime DESC, measured, metric

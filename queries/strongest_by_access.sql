-- Question:   what can whoever has the synthetic traffic alone tell of members, and what whoever may ask the model too?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, epsilon, regime, access (`synthetic traffic`: attacks from outside, which read nothing else of the
--             model; `model`: attacks that read what the model says of a trace), unit (`trace`; `host`: all traces of a
--             host on one side guessed together, by their mean score), attack and attribute (of those of the access the
--             strongest by mean AUC on shadow test data: the target takes no part in the choice), tried (attacks with
--             their attributes), targets (averaged over), auc (mean), auc_low and auc_high (95 % interval of the mean,
--             from the intervals of the targets as if independent; NULL for hosts), plan (the spec that every number of
--             the row is of; see the table plans)
WITH attacked AS (
    SELECT
        generator, epsilon, regime, plan, attack, attribute,
        CASE WHEN attribute LIKE 'synthetic%' THEN 'synthetic traffic' ELSE 'model' END AS access,
        count(*) AS targets, avg(mean_on_shadows) AS mean_on_shadows, avg(auc) AS auc,
        sqrt(sum(power(auc_high - auc_low, 2))) / (2.0 * count(*)) AS half_width
    FROM attack_strength
    WHERE auc IS NOT NULL AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY generator, epsilon, regime, plan, attack, attribute
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY generator, regime, plan, access ORDER BY mean_on_shadows DESC NULLS LAST, attack, attribute
        ) AS place,
        count(*) OVER (PARTITION BY generator, regime, plan, access) AS tried
    FROM attacked
),
hosts AS (
    SELECT generator, regime, plan, attack, attribute, count(*) AS targets, avg(auc) AS auc
    FROM source_leakage
    WHERE auc IS NOT NULL AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY generator, regime, plan, attack, attribute
),
units AS (
    SELECT
        generator, epsilon, regime, access, 'trace' AS unit, attack, attribute, tried, targets, auc,
        greatest(auc - half_width, 0.0) AS auc_low, least(auc + half_width, 1.0) AS auc_high, plan
    FROM ranked
    WHERE place = 1
    UNION ALL
    SELECT
        ranked.generator, ranked.epsilon, ranked.regime, ranked.access, 'host' AS unit, ranked.attack, ranked.attribute,
        ranked.tried, hosts.targets, hosts.auc, CAST(NULL AS DOUBLE) AS auc_low, CAST(NULL AS DOUBLE) AS auc_high,
        ranked.plan
    FROM ranked
    JOIN hosts
        ON hosts.generator = ranked.generator AND hosts.regime = ranked.regime AND hosts.attack = ranked.attack
        AND hosts.attribute = ranked.attribute AND (hosts.plan IS NOT DISTINCT FROM ranked.plan)
    WHERE ranked.place = 1
)
SELECT
    generator, epsilon, regime, access, unit, attack, attribute, tried, targets, auc, auc_low, auc_high, plan
FROM units
ORDER BY generator, epsilon DESC NULLS FIRST, regime DESC, plan, access DESC, unit DESC

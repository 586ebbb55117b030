-- Question:   what can whoever has the synthetic traffic alone tell of members, and what whoever may ask the model too?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, epsilon, regime, access (`synthetic traffic`: attacks from outside, which read nothing else of the
--             model; `model`: attacks that read what the model says of a trace), unit (`trace`; `host`: all traces of a
--             host on one side guessed together, by an attack on hosts or else by the mean score of the strongest attack on
--             traces), attack and attribute (of those of the access and unit the strongest by mean AUC on shadow test data:
--             the target takes no part in the choice), tried (attacks with their attributes), targets (averaged over), auc
--             (mean), auc_low and auc_high (95 % interval of the mean, from the intervals of the targets as if independent;
--             NULL for mean scores), plan (the spec that every number of the row is of; see the table plans)
WITH attacked AS (
    SELECT
        generator, epsilon, regime, plan, attack, attribute, unit,
        CASE WHEN attribute LIKE 'synthetic%' THEN 'synthetic traffic' ELSE 'model' END AS access,
        count(*) AS targets, avg(mean_on_shadows) AS mean_on_shadows, avg(auc) AS auc,
        sqrt(sum(power(auc_high - auc_low, 2))) / (2.0 * count(*)) AS half_width
    FROM attack_strength_by_unit
    WHERE auc IS NOT NULL AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY generator, epsilon, regime, plan, attack, attribute, unit
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY generator, regime, plan, access, unit ORDER BY mean_on_shadows DESC NULLS LAST, attack, attribute
        ) AS place,
        count(*) OVER (PARTITION BY generator, regime, plan, access, unit) AS tried,
        sum(CASE WHEN unit = 'host' THEN 1 ELSE 0 END) OVER (PARTITION BY generator, regime, plan, access) AS on_hosts
    FROM attacked
),
sources AS (
    SELECT generator, regime, plan, attack, attribute, count(*) AS targets, avg(auc) AS auc
    FROM source_leakage
    WHERE auc IS NOT NULL AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY generator, regime, plan, attack, attribute
),
units AS (
    SELECT
        generator, epsilon, regime, access, unit, attack, attribute, tried, targets, auc,
        greatest(auc - half_width, 0.0) AS auc_low, least(auc + half_width, 1.0) AS auc_high, plan
    FROM ranked
    WHERE place = 1
    UNION ALL
    SELECT
        ranked.generator, ranked.epsilon, ranked.regime, ranked.access, 'host' AS unit, ranked.attack, ranked.attribute,
        ranked.tried, sources.targets, sources.auc, CAST(NULL AS DOUBLE) AS auc_low, CAST(NULL AS DOUBLE) AS auc_high,
        ranked.plan
    FROM ranked
    JOIN sources
        ON sources.generator = ranked.generator AND sources.regime = ranked.regime AND sources.attack = ranked.attack
        AND sources.attribute = ranked.attribute AND (sources.plan IS NOT DISTINCT FROM ranked.plan)
    WHERE ranked.place = 1 AND ranked.unit = 'trace' AND ranked.on_hosts = 0
)
SELECT
    generator, epsilon, regime, access, unit, attack, attribute, tried, targets, auc, auc_low, auc_high, plan
FROM units
ORDER BY generator, epsilon DESC NULLS FIRST, regime DESC, plan, access DESC, unit DESC

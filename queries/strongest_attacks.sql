-- Question:   which attack works best against each generator at each budget, and what is promised there?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, epsilon, regime, models (targets and shadows), guarantee (of its targets; `mixed` where they
--             differ), epsilon_end_to_end (the largest; infinite where private traces went past the mechanism),
--             attack and attribute (of those tried, the strongest by mean AUC on shadow test data: the target takes no
--             part in the choice; NULL without an attack), tried (attacks with their attributes), targets (averaged
--             over), auc (mean), auc_low and auc_high (95 % interval of the mean, from the intervals of the targets as
--             if independent), targets_above_chance (whose own interval lies above 0.5), auc_largest (of all tried, on
--             the targets: an upper end, above chance by selection alone), plan (the spec that every number of the
--             row is of; see the table plans)
WITH trained AS (
    SELECT
        generator, epsilon, regime, plan, count(*) AS models,
        CASE
            WHEN min(guarantee) FILTER (WHERE role = 'target') = max(guarantee) FILTER (WHERE role = 'target')
                THEN min(guarantee) FILTER (WHERE role = 'target')
            ELSE 'mixed'
        END AS guarantee,
        max(epsilon_end_to_end) FILTER (WHERE role = 'target') AS epsilon_end_to_end
    FROM models
    WHERE role <> 'base' AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY generator, epsilon, regime, plan
),
attacked AS (
    SELECT
        generator, epsilon, regime, plan, attack, attribute, count(*) AS targets, avg(mean_on_shadows) AS mean_on_shadows, avg(auc) AS auc,
        sqrt(sum(power(auc_high - auc_low, 2))) / (2.0 * count(*)) AS half_width,
        sum(CASE WHEN auc_low > 0.5 THEN 1 ELSE 0 END) AS targets_above_chance
    FROM attack_strength
    WHERE auc IS NOT NULL AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY generator, epsilon, regime, plan, attack, attribute
),
ranked AS (
    SELECT
        *, greatest(auc - half_width, 0.0) AS auc_low, least(auc + half_width, 1.0) AS auc_high,
        row_number() OVER (
            PARTITION BY generator, epsilon, regime, plan ORDER BY mean_on_shadows DESC NULLS LAST, attack, attribute
        ) AS place,
        max(auc) OVER (PARTITION BY generator, epsilon, regime, plan) AS auc_largest,
        count(*) OVER (PARTITION BY generator, epsilon, regime, plan) AS tried
    FROM attacked
)
SELECT
    trained.generator, trained.epsilon, trained.plan,
    trained.regime,
    trained.models, trained.guarantee, trained.epsilon_end_to_end,
    ranked.attack, ranked.attribute, ranked.tried, ranked.targets, ranked.auc,
    ranked.auc_low, ranked.auc_high,
    ranked.targets_above_chance, ranked.auc_largest
FROM trained
LEFT JOIN ranked
    ON ranked.generator = trained.generator AND ranked.place = 1 AND ranked.regime = trained.regime
    AND (ranked.plan IS NOT DISTINCT FROM trained.plan)
ORDER BY trained.generator, trained.epsilon DESC NULLS FIRST, trained.regime DESC

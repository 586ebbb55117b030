-- Question:   how private and how good is each generator, by privacy budget?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, regime, guarantee (end-to-end, conditional or none: what the lineage allows),
--             epsilon_end_to_end (infinite where private traces went past the mechanism, NULL without DP), attack
--             (the strongest by mean AUC on shadow test data; the target takes no part in the choice), auc (its
--             mean over the targets of all classes; 0.5 = chance, 1 = every member recognised), above_chance
--             (targets whose 95 % interval lies above 0.5, of all), jsd (mean Jensen-Shannon distance of synthetic
--             from member packets over fields and positions; 1 = nothing in common), jsd_real (the floor: the same for
--             as many real traces that the model never saw, what a perfect generator gets; who copies members gets
--             less), accuracy (of classifiers trained on synthetic and tested on real traces) and accuracy_real (the
--             ceiling: trained on all real members), plan (the spec that every number of the row is of; see the
--             table plans). NULL: not measured
WITH counted AS (
    SELECT
        generator, epsilon, regime, plan, guarantee, max(epsilon_end_to_end) AS epsilon_end_to_end
    FROM models
    WHERE role = 'target' AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY generator, epsilon, regime, plan, guarantee
),
attacked AS (
    SELECT
        generator, epsilon, regime, plan, CASE WHEN min(attack) = max(attack) THEN min(attack) ELSE 'several' END AS attack,
        avg(auc) AS auc, count(*) FILTER (WHERE auc_low > 0.5) AS above, count(*) AS targets
    FROM attack_strength
    WHERE strongest AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY generator, epsilon, regime, plan
),
measured AS (
    SELECT
        generator, epsilon, regime, plan, avg(synthetic_value) AS jsd, avg(held_out_value) AS jsd_real
    FROM field_fidelity
    WHERE metric = 'jsd' AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY generator, epsilon, regime, plan
),
trained AS (
    SELECT
        generator, epsilon, regime, plan, avg(synthetic_value) AS accuracy, avg(members_value) AS accuracy_real
    FROM downstream
    WHERE task = 'classification' AND metric = 'accuracy' AND class IS NULL
        AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY generator, epsilon, regime, plan
)
SELECT
    counted.generator,
    counted.regime,
    counted.guarantee, counted.epsilon_end_to_end,
    attacked.attack, attacked.auc,
    CASE WHEN attacked.targets > 0 THEN concat(attacked.above, ' of ', attacked.targets) END AS above_chance,
    measured.jsd, measured.jsd_real, trained.accuracy, trained.accuracy_real, counted.plan
FROM counted
LEFT JOIN attacked
    ON counted.generator = attacked.generator AND counted.regime = attacked.regime
    AND (counted.plan IS NOT DISTINCT FROM attacked.plan)
LEFT JOIN measured
    ON counted.generator = measured.generator AND counted.regime = measured.regime
    AND (counted.plan IS NOT DISTINCT FROM measured.plan)
LEFT JOIN trained
    ON counted.generator = trained.generator AND counted.regime = trained.regime
    AND (counted.plan IS NOT DISTINCT FROM trained.plan)
ORDER BY counted.generator, counted.epsilon DESC NULLS FIRST, counted.regime DESC

-- Question:   what does privacy cost in usefulness: how strong is the strongest attack, how good are models trained on the traffic?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    dataset, generator, epsilon, regime, guarantee (of the targets; `mixed` where they differ), attack (the
--             strongest by mean AUC on shadow test data; NULL where none is possible or none was run), auc (on the
--             targets, mean over classes; 0.5 = chance),
--             auc_low and auc_high (interval of that mean, from those of the targets as if independent), accuracy and
--             macro_f1 (of classifiers trained on the synthetic traces, tested on held-out real ones),
--             members_accuracy (trained on real traces), guess_accuracy (of the most frequent class), n_test
--             (traces), plan (the spec that every number of the row is of; see the table plans)
WITH trained AS (
    SELECT
        dataset, generator, epsilon, regime, plan,
        CASE WHEN min(guarantee) = max(guarantee) THEN min(guarantee) ELSE 'mixed' END AS guarantee
    FROM models
    WHERE role = 'target' AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY dataset, generator, epsilon, regime, plan
),
attacked AS (
    SELECT
        dataset, generator, epsilon, regime, plan,
        CASE WHEN min(attack) = max(attack) THEN min(attack) ELSE 'several' END AS attack, avg(auc) AS auc,
        sqrt(sum(power(auc_high - auc_low, 2))) / (2.0 * count(*)) AS half_width
    FROM attack_strength
    WHERE strongest
    GROUP BY dataset, generator, epsilon, regime, plan
),
useful AS (
    SELECT
        dataset, generator, epsilon, regime, plan,
        avg(synthetic_value) FILTER (WHERE metric = 'accuracy') AS accuracy,
        avg(synthetic_value) FILTER (WHERE metric = 'macro_f1') AS macro_f1,
        avg(members_value) FILTER (WHERE metric = 'accuracy') AS members_accuracy,
        avg(guess_value) FILTER (WHERE metric = 'accuracy') AS guess_accuracy,
        max(n_test) FILTER (WHERE metric = 'accuracy') AS n_test
    FROM downstream
    WHERE task = 'classification'
    GROUP BY dataset, generator, epsilon, regime, plan
)
SELECT
    trained.dataset, trained.generator, trained.epsilon, trained.plan,
    trained.regime,
    trained.guarantee,
    attacked.attack, attacked.auc,
    greatest(attacked.auc - attacked.half_width, 0.0) AS auc_low,
    least(attacked.auc + attacked.half_width, 1.0) AS auc_high,
    useful.accuracy, useful.macro_f1, useful.members_accuracy, useful.guess_accuracy, useful.n_test
FROM trained
LEFT JOIN attacked
    ON attacked.dataset = trained.dataset AND attacked.generator = trained.generator
    AND attacked.regime = trained.regime
    AND (attacked.plan IS NOT DISTINCT FROM trained.plan)
LEFT JOIN useful
    ON useful.dataset = trained.dataset AND useful.generator = trained.generator
    AND useful.regime = trained.regime
    AND (useful.plan IS NOT DISTINCT FROM trained.plan)
ORDER BY trained.dataset, trained.generator, trained.epsilon DESC NULLS FIRST, trained.regime DESC

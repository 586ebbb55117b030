-- Question:   does closer traffic train better models?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    dataset, generator, epsilon, regime, jsd (mean Jensen-Shannon distance over classes, fields and
--             positions), wasserstein (mean scaled Wasserstein distance), accuracy and macro_f1 (of classifiers
--             trained on the synthetic traces), mae (median MAE of next-length regressors, bytes, mean over
--             classes), members_mae (trained on real traces), guess_mae (the last length again), plan (the spec that
--             every number of the row is of; see the table plans); NULL where it was not measured, or where a class
--             has nothing to learn from
WITH measured AS (
    SELECT
        dataset, generator, epsilon, plan, regime,
        avg(synthetic_value) FILTER (WHERE metric = 'jsd') AS jsd,
        avg(synthetic_value) FILTER (WHERE metric = 'wasserstein_scaled') AS wasserstein
    FROM field_fidelity
    WHERE $dataset IS NULL OR dataset = $dataset
    GROUP BY dataset, generator, epsilon, plan, regime
),
trained AS (
    SELECT
        dataset, generator, epsilon, regime, plan,
        avg(synthetic_value) FILTER (WHERE metric = 'accuracy') AS accuracy,
        avg(synthetic_value) FILTER (WHERE metric = 'macro_f1') AS macro_f1,
        CASE
            WHEN count(*) FILTER (WHERE metric = 'median_mae')
                = count(synthetic_value) FILTER (WHERE metric = 'median_mae')
            THEN avg(synthetic_value) FILTER (WHERE metric = 'median_mae')
        END AS mae,
        avg(members_value) FILTER (WHERE metric = 'median_mae') AS members_mae,
        avg(guess_value) FILTER (WHERE metric = 'median_mae') AS guess_mae
    FROM downstream
    GROUP BY dataset, generator, epsilon, regime, plan
)
SELECT
    measured.dataset, measured.generator, measured.epsilon, measured.plan, measured.regime, measured.jsd, measured.wasserstein,
    trained.accuracy, trained.macro_f1, trained.mae, trained.members_mae, trained.guess_mae
FROM measured
LEFT JOIN trained
    ON trained.dataset = measured.dataset AND trained.generator = measured.generator
    AND trained.regime = measured.regime
    AND (trained.plan IS NOT DISTINCT FROM measured.plan)
ORDER BY measured.dataset, measured.generator, measured.epsilon NULLS FIRST, measured.regime DESC

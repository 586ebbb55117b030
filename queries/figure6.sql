-- Question:   the paper's Figure 6: how well do regressors trained on synthetic traces predict packet lengths?
-- Parameters: $dataset = os (the figure's; NULL for all datasets)
-- Columns:    dataset, generator, epsilon, regime, learner, mae (median MAE over test traces, bytes, mean over
--             classes; NULL where one of them has nothing to learn from), members_mae (the same learner trained on
--             real traces), guess_mae (the last length again), classes, paper_mae (mean over the paper's classes; NULL
--             for what the paper does not have), plan (the spec that every number of the row is of; see the table plans)
WITH ours AS (
    SELECT
        dataset, generator, epsilon, plan, regime, learner,
        CASE WHEN count(*) = count(synthetic_value) THEN avg(synthetic_value) END AS mae,
        avg(members_value) AS members_mae, avg(guess_value) AS guess_mae,
        count(DISTINCT class) AS classes
    FROM downstream
    WHERE (plan IS NULL OR plan = (SELECT plan FROM newest_plan))
        AND task = 'next_length' AND metric = 'median_mae' AND ($dataset IS NULL OR dataset = $dataset)
    GROUP BY dataset, generator, epsilon, plan, regime, learner
),
paper AS (
    SELECT dataset, generator, epsilon, avg(mae) AS mae
    FROM paper_table1
    GROUP BY dataset, generator, epsilon
)
SELECT
    ours.dataset, ours.generator, ours.epsilon, ours.plan, ours.regime, ours.learner, ours.mae, ours.members_mae, ours.guess_mae,
    ours.classes, paper.mae AS paper_mae
FROM ours
LEFT JOIN paper
    ON paper.dataset = ours.dataset AND paper.generator = ours.generator
    AND (paper.epsilon IS NOT DISTINCT FROM ours.epsilon) AND ours.regime <> 'anonymised'
ORDER BY ours.dataset, ours.generator, ours.epsilon NULLS FIRST, ours.regime DESC

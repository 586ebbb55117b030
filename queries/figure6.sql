-- Question:   the paper's Figure 6: how well do regressors trained on synthetic traces predict packet lengths?
-- Parameters: $dataset = os (the figure's; NULL for all datasets)
-- Columns:    dataset, generator, epsilon, regime, learner, mae (median MAE over test traces, bytes, mean over
--             classes), members_mae (the same learner trained on real traces), guess_mae (the last length again),
--             classes
SELECT
    dataset, generator, epsilon, regime, learner,
    avg(synthetic_value) AS mae, avg(members_value) AS members_mae, avg(guess_value) AS guess_mae,
    count(DISTINCT class) AS classes
FROM downstream
WHERE task = 'next_length' AND metric = 'median_mae' AND ($dataset IS NULL OR dataset = $dataset)
GROUP BY dataset, generator, epsilon, regime, learner
ORDER BY dataset, generator, epsilon NULLS FIRST

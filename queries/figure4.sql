-- Question:   the paper's Figure 4: how accurate are classifiers trained on synthetic traces, by budget?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    dataset, generator, epsilon, regime, accuracy (on held-out real traces), members_accuracy (the same
--             classifier trained on real traces: the figure's baseline), guess_accuracy (of the most frequent
--             class), n_train, n_test (traces), plan (the spec that every number of the row is of; see the table
--             plans)
SELECT
    dataset, generator, epsilon, plan, regime,
    synthetic_value AS accuracy, members_value AS members_accuracy, guess_value AS guess_accuracy, n_train, n_test
FROM downstream
WHERE (plan IS NULL OR plan = (SELECT plan FROM newest_plan))
    AND task = 'classification' AND metric = 'accuracy' AND ($dataset IS NULL OR dataset = $dataset)
ORDER BY dataset, generator, epsilon NULLS FIRST, regime DESC

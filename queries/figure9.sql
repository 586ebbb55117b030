-- Question:   the paper's Figure 9: what F1 do classifiers trained on synthetic traces reach, by budget?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    dataset, generator, epsilon, regime, f1 (mean over classes, on held-out real traces), members_f1 (the
--             same classifier trained on real traces), guess_f1 (of the most frequent class), n_train, n_test
SELECT
    dataset, generator, epsilon, regime,
    synthetic_value AS f1, members_value AS members_f1, guess_value AS guess_f1, n_train, n_test
FROM downstream
WHERE task = 'classification' AND metric = 'macro_f1' AND ($dataset IS NULL OR dataset = $dataset)
ORDER BY dataset, generator, epsilon NULLS FIRST

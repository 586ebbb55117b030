-- Question:   do empirical lower bounds on epsilon refute what the models claim?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    name, epsilon (the budget), epsilon_spent (by the ledger), guarantee, epsilon_end_to_end
--             (infinite where private traces went past the mechanism, NULL without DP), epsilon_empirical
--             (lower bound by the best attack, 95 % over all attacks on the model), epsilon_provable (the most
--             that so many traces can prove), attack, n, one_run_epsilon and one_run_provable (one-run audit
--             with canaries, NULL where none ran), finding (`too few traces to refute it`: both provable numbers
--             lie below the claim, so that nothing was tested; `its scores are not here`: a redacted copy)
SELECT
    name, epsilon, epsilon_spent, guarantee, epsilon_end_to_end,
    epsilon_empirical, epsilon_provable, attack, n, one_run_epsilon, one_run_provable, finding
FROM privacy_audit
WHERE $dataset IS NULL OR dataset = $dataset
ORDER BY refuted DESC, generator, dataset, class, epsilon DESC NULLS FIRST

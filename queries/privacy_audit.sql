-- Question:   do empirical bounds on epsilon speak against what the models claim?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    name, epsilon (the budget), epsilon_spent (by the ledger), guarantee, epsilon_end_to_end
--             (infinite where private traces went past the mechanism or delta promises nothing, NULL without DP and where it
--             is only claimed), epsilon_claimed (what is tested: the end-to-end epsilon, or what the makers of an imported
--             model claim; NULL where nothing is), epsilon_empirical (hinted at by the best attack, 95 % over all attacks
--             on the model; no proof), epsilon_provable (the largest that so many traces could hint at), attack, n,
--             one_run_epsilon and one_run_provable (one-run audit with canaries, a proof; NULL where none ran), finding
--             (`REFUTED` by the one-run audit; `STRONG HINT` by an attack; `too few traces to tell`: neither could have
--             found more than is claimed; `its scores are not here`: a redacted copy), plan (the spec that the model is
--             of; see the table plans), attack_plan (the newest that ran the attack)
SELECT
    name, epsilon, epsilon_spent, guarantee, epsilon_end_to_end, epsilon_claimed,
    epsilon_empirical, epsilon_provable, attack, n, one_run_epsilon, one_run_provable, finding, plan, attack_plan
FROM privacy_audit
WHERE $dataset IS NULL OR dataset = $dataset
ORDER BY refuted DESC, strong_hint DESC, generator, dataset, class, epsilon DESC NULLS FIRST, regime DESC, plan

-- Question:   how well does membership inference work against each generator, by privacy budget?
-- Parameters: $evaluated_on = target (`target`, or `shadow_test` for the attack's own test data)
--             $dataset = NULL (all datasets)
-- Columns:    generator, dataset, class, regime, attack, attribute, n (traces), auc with its interval,
--             balanced_accuracy, precision, recall (TPR), fpr, tpr_at_1pct_fpr (NULL with
--             fewer than 100 held-out traces, which cannot tell an FPR of 0.01 from 0), above_chance (is the whole
--             interval of the AUC above 0.5?), plan (the spec that every number of the row is of; see the table
--             plans)
SELECT
    generator, dataset, class, regime, attack, attribute, n,
    auc, auc_low, auc_high, balanced_accuracy, precision, recall, fpr, tpr_at_1pct_fpr, above_chance, plan
FROM leakage
WHERE evaluated_on = $evaluated_on AND ($dataset IS NULL OR dataset = $dataset)
ORDER BY generator, dataset, class, epsilon DESC NULLS FIRST, regime DESC, attack, attribute

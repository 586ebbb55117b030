-- Question:   how well does membership inference work against each generator, by privacy budget?
-- Parameters: $evaluated_on = target (`target`, or `shadow_test` for the attack's own test data)
--             $dataset = NULL (all datasets)
-- Columns:    generator, dataset, class, regime, attack, attribute, unit (what is scored: a `trace`, or a `host` by
--             all its traces), evaluated_on (beside `target` there is `each_target` where each model
--             of the group was one in turn), n (traces, or hosts), auc with its interval,
--             balanced_accuracy, precision, recall (TPR), fpr, tpr_at_1pct_fpr (NULL with
--             fewer than 100 held-out traces, which cannot tell an FPR of 0.01 from 0), above_chance (is the whole
--             interval of the AUC above 0.5?), interval_covers (`traces`: which were drawn and attacked,
--             of one trained model; `traces and trainings`), plan (the spec that every number of the row is of; see the table
--             plans)
SELECT
    generator, dataset, class, regime, attack, attribute, unit, evaluated_on, n,
    auc, auc_low, auc_high, balanced_accuracy, precision, recall, fpr, tpr_at_1pct_fpr, above_chance, interval_covers, plan
FROM leakage
WHERE (evaluated_on = $evaluated_on OR (evaluated_on = 'each_target' AND $evaluated_on = 'target'))
    AND ($dataset IS NULL OR dataset = $dataset)
ORDER BY generator, dataset, class, epsilon DESC NULLS FIRST, regime DESC, attack, attribute, evaluated_on DESC

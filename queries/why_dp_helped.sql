-- Question:   did DP help against attacks on each generator, and what kind of overfitting does that show?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, dataset, regime, attack (the strongest on shadows without DP), auc with its interval,
--             auc_without_dp, relative_gap (generalization gap at the last epoch; NULL where the loss has no
--             zero), loss_separation (the same gap in standard deviations of the losses of single traces),
--             variance_kept (variance within generated traces over that within members, by view `mode_collapse`:
--             near 0 = mode collapse), image_entropy_bits (NULL where the generator records none), label (rule: view
--             `overfitting`), plan (the spec that every number of the row is of; see the table plans)
SELECT
    generator, dataset, regime, attack, auc, auc_low, auc_high, auc_without_dp, relative_gap, loss_separation,
    variance_kept, image_entropy_bits, label, plan
FROM overfitting
WHERE $dataset IS NULL OR dataset = $dataset
ORDER BY generator, dataset, epsilon DESC NULLS FIRST, regime DESC

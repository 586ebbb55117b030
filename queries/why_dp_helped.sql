-- Question:   did DP help against attacks on each generator, and what kind of overfitting does that show?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, dataset, regime, attack (the strongest on shadows without DP), auc with its interval,
--             auc_without_dp, relative_gap (generalization gap at the last epoch), loss_separation (distance of
--             members' and held-out traces' mean loss in standard deviations), variance_kept (median feature
--             variance of generated over real traces: near 0 = mode collapse), image_entropy_bits (both NULL
--             where the generator records none), label (rule: view `overfitting`)
SELECT
    generator, dataset, regime, attack, auc, auc_low, auc_high, auc_without_dp, relative_gap, loss_separation,
    variance_kept, image_entropy_bits, label
FROM overfitting
WHERE $dataset IS NULL OR dataset = $dataset
ORDER BY generator, dataset, epsilon DESC NULLS FIRST

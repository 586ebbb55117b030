-- Question:   what does synthetic traffic add where few real traces are at hand?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    dataset, generator, regime, real_share (of the members, drawn), n_real (real traces learnt from), alone (accuracy of a
--             classifier that learnt from them), augmented (from them and all synthetic traces), augmented_low and augmented_high,
--             gain (of both on the same draws and test traces), gain_low and gain_high (95 % intervals), synthetic_accuracy (from
--             synthetic traces alone), members_accuracy (from all members), plan (the spec that every number of the row
--             is of; see the table plans)
SELECT
    dataset, generator, regime, real_share, n_real, alone, augmented, augmented_low, augmented_high,
    gain, gain_low, gain_high, synthetic_accuracy, members_accuracy, plan
FROM augmentation
WHERE $dataset IS NULL OR dataset = $dataset
ORDER BY dataset, generator, epsilon DESC NULLS FIRST, regime DESC, plan, real_share

-- Question:   how does the loss of held-out traces move away from that of members as training goes on?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, dataset, regime, epoch, models (averaged over), member_loss, held_out_loss,
--             gap (held out minus member), standardised_gap (in standard deviations of the losses of single
--             traces), relative_gap (gap / member loss; NULL where the loss has no zero, as that of a GAN's critic),
--             plan (the spec that every number of the row is of; see the table plans)
SELECT
    generator, dataset, regime, epoch,
    count(*) AS models,
    avg(member_loss) AS member_loss, avg(held_out_loss) AS held_out_loss,
    avg(gap) AS gap, avg(standardised_gap) AS standardised_gap, avg(relative_gap) AS relative_gap, plan
FROM generalization
WHERE $dataset IS NULL OR dataset = $dataset
GROUP BY generator, dataset, epsilon, plan, regime, epoch
ORDER BY generator, dataset, epsilon DESC NULLS FIRST, regime DESC, epoch

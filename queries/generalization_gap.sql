-- Question:   how does the loss of held-out traces move away from that of members as training goes on?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, dataset, regime, epoch, models (averaged over), member_loss, held_out_loss,
--             gap (held out minus member), relative_gap (gap / member loss)
SELECT
    generator, dataset, regime, epoch,
    count(*) AS models,
    avg(member_loss) AS member_loss, avg(held_out_loss) AS held_out_loss,
    avg(gap) AS gap, avg(relative_gap) AS relative_gap
FROM generalization
WHERE $dataset IS NULL OR dataset = $dataset
GROUP BY generator, dataset, epsilon, regime, epoch
ORDER BY generator, dataset, epsilon DESC NULLS FIRST, epoch

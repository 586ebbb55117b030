-- Question:   the paper's Figure 10: how does the relative generalization gap of shadow models grow with training?
-- Parameters: $dataset = os (the figure's; NULL for all datasets)
-- Columns:    dataset, generator, epsilon, regime, epoch, relative_gap_percent (100 (test - train) / train, mean
--             over classes of the mean over shadows, as drawn; NULL where the loss has no zero, as that of a GAN's
--             critic), relative_gap_printed (by the printed formula, whose 100 stands under the fraction line),
--             standardised_gap (in standard deviations of the losses of single traces: for any loss), classes,
--             models, plan (the spec that every number of the row is of; see the table plans)
SELECT
    dataset, generator, epsilon, plan, regime, epoch,
    avg(relative_gap_percent) AS relative_gap_percent, avg(relative_gap_printed) AS relative_gap_printed,
    avg(standardised_gap) AS standardised_gap,
    count(*) AS classes, sum(models) AS models
FROM generalization_by_class
WHERE (plan IS NULL OR plan = (SELECT plan FROM newest_plan))
    AND role = 'shadow' AND ($dataset IS NULL OR dataset = $dataset)
GROUP BY dataset, generator, epsilon, plan, regime, epoch
ORDER BY dataset, generator, epsilon NULLS FIRST, regime DESC, epoch

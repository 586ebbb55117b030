-- Question:   the paper's Figure 10: how does the relative generalization gap of shadow models grow with training?
-- Parameters: $dataset = os (the figure's; NULL for all datasets)
-- Columns:    dataset, generator, epsilon, regime, epoch, relative_gap_percent (100 (test - train) / train, mean
--             over classes of the mean over shadows, as drawn), relative_gap_printed (by the printed formula,
--             whose 100 stands under the fraction line), classes, models
SELECT
    dataset, generator, epsilon, regime, epoch,
    avg(relative_gap_percent) AS relative_gap_percent, avg(relative_gap_printed) AS relative_gap_printed,
    count(*) AS classes, sum(models) AS models
FROM generalization_by_class
WHERE role = 'shadow' AND ($dataset IS NULL OR dataset = $dataset)
GROUP BY dataset, generator, epsilon, regime, epoch
ORDER BY dataset, generator, epsilon NULLS FIRST, epoch

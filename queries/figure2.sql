-- Question:   the paper's Figure 2: how does mean attack performance move with the budget?
-- Parameters: $attack = NULL (all attacks)
-- Columns:    generator, epsilon, regime, attack, targets (averaged over, all datasets and classes), precision,
--             recall, fpr and auc (means), precision_sd, recall_sd, fpr_sd, auc_sd (standard deviations of the
--             population, the figure's bands)
SELECT
    generator, epsilon, regime, attack, count(*) AS targets,
    avg(precision) AS precision, avg(recall) AS recall, avg(fpr) AS fpr, avg(auc) AS auc,
    stddev_pop(precision) AS precision_sd, stddev_pop(recall) AS recall_sd, stddev_pop(fpr) AS fpr_sd,
    stddev_pop(auc) AS auc_sd
FROM leakage
WHERE evaluated_on = 'target' AND ($attack IS NULL OR attack = $attack)
GROUP BY generator, epsilon, regime, attack
ORDER BY generator, attack, epsilon NULLS FIRST

-- Question:   the paper's Figure 2: how does mean attack performance move with the budget?
-- Parameters: $attack = NULL (all attacks)
-- Columns:    generator, epsilon, regime, attack, targets (averaged over, all datasets and classes), precision,
--             recall, fpr and auc (means), auc_on_shadows (mean on shadow test data, by which the figure chooses the
--             attack that it draws), precision_sd, recall_sd, fpr_sd, auc_sd (standard deviations of the
--             population, the figure's bands), paper_precision, paper_recall and paper_fpr (means of
--             the paper's appendix Table 1; NULL for what the paper does not have), plan (the spec that every number
--             of the row is of; see the table plans)
WITH ours AS (
    SELECT
        generator, epsilon, plan, regime, attack, count(*) AS targets,
        avg(precision) AS precision, avg(recall) AS recall, avg(fpr) AS fpr, avg(auc) AS auc,
        stddev_pop(precision) AS precision_sd, stddev_pop(recall) AS recall_sd, stddev_pop(fpr) AS fpr_sd,
        stddev_pop(auc) AS auc_sd
    FROM leakage
    WHERE (plan IS NULL OR plan = (SELECT plan FROM newest_plan))
        AND evaluated_on = 'target' AND unit = 'trace' AND ($attack IS NULL OR attack = $attack)
    GROUP BY generator, epsilon, plan, regime, attack
),
shadows AS (
    SELECT generator, epsilon, regime, plan, attack, avg(auc_on_shadows) AS auc_on_shadows
    FROM attack_strength
    GROUP BY generator, epsilon, regime, plan, attack
),
paper AS (
    SELECT generator, epsilon, avg(precision) AS precision, avg(tpr) AS recall, avg(fpr) AS fpr
    FROM paper_table1
    GROUP BY generator, epsilon
)
SELECT
    ours.generator, ours.epsilon, ours.plan, ours.regime, ours.attack, ours.targets,
    ours.precision, ours.recall, ours.fpr, ours.auc, shadows.auc_on_shadows,
    ours.precision_sd, ours.recall_sd, ours.fpr_sd, ours.auc_sd,
    paper.precision AS paper_precision, paper.recall AS paper_recall, paper.fpr AS paper_fpr
FROM ours
LEFT JOIN shadows
    ON shadows.generator = ours.generator AND shadows.attack = ours.attack
    AND shadows.regime = ours.regime
    AND (shadows.plan IS NOT DISTINCT FROM ours.plan)
LEFT JOIN paper ON paper.generator = ours.generator AND (paper.epsilon IS NOT DISTINCT FROM ours.epsilon) AND ours.regime <> 'anonymised'
ORDER BY ours.generator, ours.attack, ours.epsilon NULLS FIRST, ours.regime DESC

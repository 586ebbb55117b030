-- Question:   Table 2 of the paper's section 3 from own data: how well do attacks work without DP?
-- Parameters: $attack = NULL (all attacks)
-- Columns:    dataset, class, generator, attack, precision, recall, fpr (on the target, at the attack's own
--             threshold), auc with its interval; paper_precision, paper_recall, paper_fpr (as printed), plan (the
--             spec that every number of the row is of; see the table plans)
SELECT
    ours.dataset, ours.class, ours.generator, ours.attack,
    ours.precision, ours.recall, ours.fpr, ours.auc, ours.auc_low, ours.auc_high,
    paper.precision AS paper_precision, paper.recall AS paper_recall, paper.fpr AS paper_fpr, ours.plan
FROM attacks AS ours
LEFT JOIN paper_section3_table2 AS paper
    ON paper.dataset = ours.dataset AND paper.class = ours.class AND paper.generator = ours.generator
WHERE (ours.plan IS NULL OR ours.plan = (SELECT plan FROM newest_plan))
    AND ours.evaluated_on = 'target' AND ours.unit = 'trace' AND ours.regime = 'no DP' AND ($attack IS NULL OR ours.attack = $attack)
ORDER BY ours.dataset, ours.class, ours.generator, ours.attack

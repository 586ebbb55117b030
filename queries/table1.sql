-- Question:   the paper's appendix Table 1 from own data: attack precision, TPR and FPR on each target
-- Parameters: $attack = NULL (all attacks)
-- Columns:    regime, dataset, class, generator, attack, precision, tpr, fpr (all at the attack's own
--             threshold), each with the ends of its interval; the table's F1 and MAE are utility and not in
--             the study
SELECT
    CASE WHEN epsilon IS NULL THEN 'no DP' ELSE concat('eps ', epsilon) END AS regime,
    dataset, class, generator, attack,
    precision, precision_low, precision_high,
    recall AS tpr, recall_low AS tpr_low, recall_high AS tpr_high,
    fpr, fpr_low, fpr_high
FROM attacks
WHERE evaluated_on = 'target' AND ($attack IS NULL OR attack = $attack)
ORDER BY epsilon NULLS FIRST, dataset, class, generator, attack

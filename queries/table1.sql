-- Question:   the paper's appendix Table 1 from own data: attack precision, TPR, FPR, F1 and MAE of each target?
-- Parameters: $attack = NULL (all attacks)
-- Columns:    regime, dataset, class, generator, attack, precision, tpr, fpr (all at the attack's own
--             threshold), each with the ends of its interval; f1 (of the class, by a forest trained on synthetic
--             traces), mae (median MAE of the next packet length, bytes), members_mae (of the same learner trained on
--             real traces), guess_mae (of the last length again); paper_precision, paper_tpr, paper_fpr, paper_f1,
--             paper_mae (the same as printed; NULL for what the paper does not have), plan (the spec that every
--             number of the row is of; see the table plans)
WITH quality AS (
    SELECT
        dataset, generator, epsilon, regime, plan, class,
        avg(synthetic_value) FILTER (WHERE metric = 'f1') AS f1,
        avg(synthetic_value) FILTER (WHERE metric = 'median_mae') AS mae,
        avg(members_value) FILTER (WHERE metric = 'median_mae') AS members_mae,
        avg(guess_value) FILTER (WHERE metric = 'median_mae') AS guess_mae
    FROM downstream
    WHERE class IS NOT NULL
    GROUP BY dataset, generator, epsilon, regime, plan, class
)
SELECT
    attacks.regime,
    attacks.dataset, attacks.class, attacks.generator, attacks.attack,
    attacks.precision, attacks.precision_low, attacks.precision_high,
    attacks.recall AS tpr, attacks.recall_low AS tpr_low, attacks.recall_high AS tpr_high,
    attacks.fpr, attacks.fpr_low, attacks.fpr_high,
    quality.f1, quality.mae, quality.members_mae, quality.guess_mae,
    paper.precision AS paper_precision, paper.tpr AS paper_tpr, paper.fpr AS paper_fpr,
    paper.f1 AS paper_f1, paper.mae AS paper_mae, attacks.plan
FROM attacks
LEFT JOIN quality
    ON quality.dataset = attacks.dataset AND quality.generator = attacks.generator AND quality.class = attacks.class
    AND quality.regime = attacks.regime
    AND (quality.plan IS NOT DISTINCT FROM attacks.plan)
LEFT JOIN paper_table1 AS paper
    ON paper.dataset = attacks.dataset AND paper.generator = attacks.generator AND paper.class = attacks.class
    AND (paper.epsilon IS NOT DISTINCT FROM attacks.epsilon) AND attacks.regime <> 'anonymised'
WHERE (attacks.plan IS NULL OR attacks.plan = (SELECT plan FROM newest_plan))
    AND attacks.evaluated_on = 'target' AND attacks.unit = 'trace' AND ($attack IS NULL OR attacks.attack = $attack)
ORDER BY attacks.epsilon NULLS FIRST, attacks.regime DESC, attacks.dataset, attacks.class, attacks.generator, attacks.attack

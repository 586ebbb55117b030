-- Question:   the paper's appendix Table 2 from own data: how much does the budget move average fidelity?
-- Parameters: $metric = jsd (`jsd` distance or `js_divergence`)
-- Columns:    dataset, generator, min_jsd and max_jsd (smallest and largest over the budgets of the mean over
--             classes, fields and positions), difference, budgets (how many, no DP included), held_out (the
--             floor: the same for as many real traces that the model never saw), paper_min_jsd, paper_max_jsd,
--             paper_difference (as printed), plan (the spec that every number of the row is of; see the table plans)
WITH by_budget AS (
    SELECT dataset, generator, epsilon, regime, plan, avg(synthetic_value) AS jsd, avg(held_out_value) AS held_out
    FROM field_fidelity
    WHERE (plan IS NULL OR plan = (SELECT plan FROM newest_plan))
        AND metric = $metric AND regime <> 'anonymised'
    GROUP BY dataset, generator, epsilon, regime, plan
),
by_generator AS (
    SELECT
        dataset, generator, plan,
        min(jsd) AS min_jsd, max(jsd) AS max_jsd, max(jsd) - min(jsd) AS difference, count(*) AS budgets,
        avg(held_out) AS held_out
    FROM by_budget
    GROUP BY dataset, generator, plan
)
SELECT
    ours.dataset, ours.generator, ours.min_jsd, ours.max_jsd, ours.difference, ours.budgets, ours.held_out,
    paper.min_jsd AS paper_min_jsd, paper.max_jsd AS paper_max_jsd, paper.difference AS paper_difference, ours.plan
FROM by_generator AS ours
LEFT JOIN paper_table2 AS paper ON paper.dataset = ours.dataset AND paper.generator = ours.generator
ORDER BY ours.dataset, ours.difference DESC, ours.generator

-- Question:   the paper's appendix Table 2 from own data: how much does the budget move average fidelity?
-- Parameters: $metric = jsd (`jsd` distance or `js_divergence`)
-- Columns:    dataset, generator, min_jsd and max_jsd (smallest and largest over the budgets of the mean over
--             classes, fields and positions), difference, budgets (how many, no DP included)
WITH by_budget AS (
    SELECT dataset, generator, epsilon, avg(synthetic_value) AS jsd
    FROM field_fidelity
    WHERE metric = $metric
    GROUP BY dataset, generator, epsilon
)
SELECT
    dataset, generator,
    min(jsd) AS min_jsd, max(jsd) AS max_jsd, max(jsd) - min(jsd) AS difference, count(*) AS budgets
FROM by_budget
GROUP BY dataset, generator
ORDER BY dataset, difference DESC, generator

-- Question:   the paper's Figure 9: what F1 do classifiers trained on synthetic traces reach, by budget?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    dataset, generator, epsilon, regime, f1 (mean over classes, on held-out real traces), members_f1 (the
--             same classifier trained on real traces), guess_f1 (of the most frequent class), n_train, n_test,
--             paper_f1 (mean over the paper's classes; NULL for what the paper does not have), plan (the spec that
--             every number of the row is of; see the table plans)
WITH paper AS (
    SELECT dataset, generator, epsilon, avg(f1) AS f1
    FROM paper_table1
    GROUP BY dataset, generator, epsilon
)
SELECT
    ours.dataset, ours.generator, ours.epsilon, ours.plan, ours.regime,
    ours.synthetic_value AS f1, ours.members_value AS members_f1, ours.guess_value AS guess_f1, ours.n_train, ours.n_test,
    paper.f1 AS paper_f1
FROM downstream AS ours
LEFT JOIN paper
    ON paper.dataset = ours.dataset AND paper.generator = ours.generator
    AND (paper.epsilon IS NOT DISTINCT FROM ours.epsilon) AND ours.regime <> 'anonymised'
WHERE (ours.plan IS NULL OR ours.plan = (SELECT plan FROM newest_plan))
    AND ours.task = 'classification' AND ours.metric = 'macro_f1' AND ($dataset IS NULL OR ours.dataset = $dataset)
ORDER BY ours.dataset, ours.generator, ours.epsilon NULLS FIRST, ours.regime DESC

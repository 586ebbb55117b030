-- Question:   how likely is it that a language model writes out a trace that it was trained on?
-- Parameters: $draws = 1000000 (traces that somebody draws)
--             $dataset = NULL (all datasets)
--             $kind = token_logprob (attribute kind whose values add up to the log-probability of a trace)
-- Columns:    generator, dataset, class, regime, part (member or held-out), traces, likeliest (largest log10 of the probability
--             that one draw is such a trace, byte for byte), median (of the log10), extracted (at most so many of these
--             traces are expected among $draws draws), above_reference (median difference of the log10 to the mean of models of the same kind that
--             were not trained on the trace), plan (the spec that every number of the row is of; see the table plans)
-- The probability is that of sampling at temperature 1 without top-k and top-p, which sharpen it. Carlini et al. 2021 (arXiv 2012.07805), section 6; Hayes et al. 2025 (arXiv 2410.19482) count expected draws.
WITH said AS (
    SELECT
        model_id, generator, dataset, class, role, epsilon, regime, plan, trace_id, member,
        list_sum(vector) / ln(10) AS log10_probability
    FROM attributes
    WHERE kind = $kind AND ($dataset IS NULL OR dataset = $dataset)
    UNION ALL
    SELECT
        model_id, generator, dataset, class, role, epsilon, regime, plan, trace_id, NULL AS member,
        list_sum(vector) / ln(10) AS log10_probability
    FROM reference_attributes
    WHERE kind = $kind AND ($dataset IS NULL OR dataset = $dataset)
),
target AS (
    SELECT * FROM said WHERE role = 'target' AND member IS NOT NULL
),
reference AS (
    SELECT
        target.model_id, target.trace_id, avg(other.log10_probability) AS log10_probability
    FROM target
    JOIN said AS other
        ON other.generator = target.generator AND other.dataset = target.dataset AND other.class = target.class
        AND other.regime = target.regime AND (other.plan IS NOT DISTINCT FROM target.plan)
        AND other.trace_id = target.trace_id AND other.model_id <> target.model_id
        AND (other.member IS NULL OR NOT other.member)
    GROUP BY target.model_id, target.trace_id
)
SELECT
    target.generator, target.dataset, target.class,
    target.regime,
    CASE WHEN target.member THEN 'member' ELSE 'held-out' END AS part,
    count(*) AS traces,
    max(target.log10_probability) AS likeliest,
    median(target.log10_probability) AS median,
    sum(least($draws * power(10, target.log10_probability), 1)) AS extracted,
    median(target.log10_probability - reference.log10_probability) AS above_reference,
    target.plan
FROM target
LEFT JOIN reference ON reference.model_id = target.model_id AND reference.trace_id = target.trace_id
GROUP BY target.generator, target.dataset, target.class, target.epsilon, target.regime, target.member, target.plan
ORDER BY target.generator, target.dataset, target.class, target.epsilon DESC NULLS FIRST, target.regime DESC, target.member DESC, target.plan

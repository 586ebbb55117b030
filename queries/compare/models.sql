-- Question:   which models have two studies in common, and which has one of them alone?
-- Parameters: $first, $second (names of two studies of the session)
--             $changed = false (true: only rows with models that one of them has alone)
-- Columns:    dataset, class, generator, regime, role, in_both (models of the same id: the same work on the same inputs),
--             only_first, only_second
WITH known AS (
    SELECT
        dataset, class, generator, epsilon, regime, role, model_id,
        bool_or(study = $first) AS in_first, bool_or(study = $second) AS in_second
    FROM models
    WHERE study IN ($first, $second)
    GROUP BY dataset, class, generator, epsilon, regime, role, model_id
),
counted AS (
    SELECT
        dataset, class, generator, epsilon, regime, role,
        count(*) FILTER (WHERE in_first AND in_second) AS in_both,
        count(*) FILTER (WHERE NOT in_second) AS only_first,
        count(*) FILTER (WHERE NOT in_first) AS only_second
    FROM known
    GROUP BY dataset, class, generator, epsilon, regime, role
)
SELECT
    dataset, class, generator, regime, role, in_both, only_first, only_second
FROM counted
WHERE $changed = false OR only_first + only_second > 0
ORDER BY dataset, class, generator, epsilon DESC NULLS FIRST, regime DESC, role

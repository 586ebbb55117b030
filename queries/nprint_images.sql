-- Question:   the paper's Figure 1 beside generated traffic: what do real and synthetic traces look like as nPrint images?
-- Parameters: $dataset = NULL (all datasets)
--             $real = true (false: generated traces alone)
-- Columns:    dataset, class, generator (NULL: a real trace), epsilon, regime, trace_id (the longest real trace of the
--             class; the longest synthetic one of each target without DP, on anonymised traces and at its smallest epsilon),
--             position, ip_length, headers (hexadecimal: the first 134 bytes of the Ethernet frame, which hold all
--             header bits of an nPrint image)
WITH budgets AS (
    SELECT
        model_id, dataset, class, generator, epsilon, regime,
        row_number() OVER (PARTITION BY dataset, class, generator ORDER BY epsilon NULLS LAST, regime DESC) AS place
    FROM models
    WHERE role = 'target' AND ($dataset IS NULL OR dataset = $dataset)
),
candidates AS (
    SELECT
        budgets.dataset, budgets.class, budgets.generator, budgets.epsilon, budgets.regime, synthetic_traces.trace_id,
        synthetic_traces.packets
    FROM budgets
    JOIN synthetic_traces ON synthetic_traces.model_id = budgets.model_id
    WHERE synthetic_traces.packets > 0 AND (budgets.place = 1 OR budgets.epsilon IS NULL)
    UNION ALL
    SELECT traces.dataset, traces.class, NULL AS generator, NULL AS epsilon, 'real' AS regime, traces.trace_id, traces.packets
    FROM traces
    JOIN classes ON classes.dataset = traces.dataset AND classes.class = traces.class
    WHERE $real AND classes.origin <> 'public' AND ($dataset IS NULL OR traces.dataset = $dataset)
),
chosen AS (
    SELECT dataset, class, generator, epsilon, regime, trace_id
    FROM (
        SELECT
            *, row_number() OVER (PARTITION BY dataset, class, generator, regime ORDER BY packets DESC, trace_id) AS place
        FROM candidates
    )
    WHERE place = 1
)
SELECT
    chosen.dataset, chosen.class, chosen.generator, chosen.epsilon,
    chosen.regime, chosen.trace_id, packets.position, packets.ip_length, substr(encode(packets.data, 'hex'), 1, 268) AS headers
FROM chosen
JOIN packets
    ON packets.trace_id = chosen.trace_id AND packets.dataset = chosen.dataset AND packets.class = chosen.class
ORDER BY
    chosen.dataset, chosen.class, chosen.generator NULLS FIRST, chosen.epsilon DESC NULLS FIRST, chosen.regime DESC, packets.position

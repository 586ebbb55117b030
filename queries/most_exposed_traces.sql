-- Question:   which members of a target model does the attack recognise most surely?
-- Parameters: $limit = 20 (rows)
--             $dataset = NULL (all datasets)
-- Columns:    trace_id, dataset, class, generator, regime, attack, score, held_out_above (share of held-out
--             traces with at least this score: the false alarms that finding the trace costs), then what the
--             trace is: packets, protocol, source, destination
WITH scored AS (
    SELECT
        attack_id, trace_id, member, score, dataset, class, generator, regime, attack,
        sum(CASE WHEN member THEN 0 ELSE 1 END)
            OVER (PARTITION BY attack_id ORDER BY score DESC RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
            AS held_out_at_least,
        sum(CASE WHEN member THEN 0 ELSE 1 END) OVER (PARTITION BY attack_id) AS held_out
    FROM attack_scores
    WHERE attack_id IN (SELECT attack_id FROM attacks WHERE unit = 'trace')
        AND evaluated_on = 'target' AND ($dataset IS NULL OR dataset = $dataset)
)
SELECT
    scored.trace_id, scored.dataset, scored.class, scored.generator,
    scored.regime,
    scored.attack, scored.score,
    CAST(scored.held_out_at_least AS DOUBLE) / nullif(scored.held_out, 0) AS held_out_above,
    traces.packets, traces.protocol,
    concat(ip_text(traces.src_ip), ':', traces.src_port) AS source,
    concat(ip_text(traces.dst_ip), ':', traces.dst_port) AS destination
FROM scored
LEFT JOIN traces ON traces.trace_id = scored.trace_id
WHERE scored.member
ORDER BY held_out_above, scored.score DESC, scored.trace_id
LIMIT $limit

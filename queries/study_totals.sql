-- Question:   how large is the study?
-- Parameters: none
-- Columns:    datasets and classes (of real traffic), traces (real), models (bases not counted), targets and shadows
--             (of the models), generators, targets_without_dp, targets_end_to_end and targets_conditional (with DP,
--             by guarantee), targets_claimed (made elsewhere with a claimed epsilon), targets_by_delta (with a delta of
--             1/members or more: nothing is promised), attack_results (on targets),
--             audited (targets with a claim, and an attack or a one-run audit against it), refuted (whose one-run audit
--             proves more than is claimed), hinted (on which an attack finds more than is claimed), synthetic_traces (that hold a packet that
--             parses), jobs, seconds (wall time of all jobs)
WITH counted AS (
    SELECT
        count(*) AS models,
        count(*) FILTER (WHERE role = 'target') AS targets,
        count(*) FILTER (WHERE role = 'shadow') AS shadows,
        count(DISTINCT generator) AS generators,
        count(*) FILTER (WHERE role = 'target' AND epsilon IS NULL) AS targets_without_dp,
        count(*) FILTER (WHERE role = 'target' AND epsilon IS NOT NULL AND guarantee = 'end-to-end') AS targets_end_to_end,
        count(*) FILTER (WHERE role = 'target' AND epsilon IS NOT NULL AND guarantee = 'conditional') AS targets_conditional,
        count(*) FILTER (WHERE role = 'target' AND epsilon IS NOT NULL AND guarantee = 'none') AS targets_claimed,
        count(*) FILTER (WHERE role = 'target' AND guarantee = 'none: delta') AS targets_by_delta
    FROM models
    WHERE role <> 'base'
),
real_traffic AS (
    SELECT count(DISTINCT dataset) AS datasets, count(*) AS classes
    FROM classes
    WHERE origin <> 'public'
)
SELECT
    real_traffic.datasets, real_traffic.classes,
    (SELECT count(*) FROM traces JOIN classes ON classes.dataset = traces.dataset AND classes.class = traces.class
        WHERE classes.origin <> 'public') AS traces,
    counted.models, counted.targets, counted.shadows, counted.generators,
    counted.targets_without_dp, counted.targets_end_to_end, counted.targets_conditional, counted.targets_claimed,
    counted.targets_by_delta,
    (SELECT count(*) FROM attacks WHERE evaluated_on = 'target') AS attack_results,
    (
        SELECT count(*) FROM privacy_audit
        WHERE refuted OR strong_hint OR finding IN ('not refuted', 'no hint against it', 'too few traces to tell')
    ) AS audited,
    (SELECT count(*) FROM privacy_audit WHERE refuted) AS refuted,
    (SELECT count(*) FROM privacy_audit WHERE strong_hint) AS hinted,
    (SELECT count(*) FROM synthetic_traces WHERE packets > 0) AS synthetic_traces,
    (SELECT count(*) FROM jobs) AS jobs,
    (SELECT sum(seconds) FROM jobs) AS seconds
FROM counted
CROSS JOIN real_traffic

-- Question:   which programs did what, from which seeds, and when?
-- Parameters: $seeds = true (false: none, so that nobody who holds the captures can draw the splits again)
-- Columns:    kind (of job), jobs, seconds (wall time), threads (most), code_version (of that kind of job), program, seed
--             (of the study), first_start, last_end (UTC)
WITH told AS (
    SELECT
        kind, seconds, threads, code_version, program, CASE WHEN $seeds THEN seed END AS seed, started_us, finished_us
    FROM jobs
)
SELECT
    kind, count(*) AS jobs, sum(seconds) AS seconds, max(threads) AS threads, code_version, program, seed,
    to_timestamp_micros(min(started_us)) AS first_start, to_timestamp_micros(max(finished_us)) AS last_end
FROM told
GROUP BY kind, code_version, program, seed
ORDER BY first_start, kind, program

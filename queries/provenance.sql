-- Question:   which programs did what, from which seeds, and when?
-- Parameters: none
-- Columns:    kind (of job), jobs, seconds (wall time), threads (most), code_version (of that kind of job), program, seed
--             (of the study), first_start, last_end (UTC)
SELECT
    kind, count(*) AS jobs, sum(seconds) AS seconds, max(threads) AS threads, code_version, program, seed,
    to_timestamp_micros(min(started_us)) AS first_start, to_timestamp_micros(max(finished_us)) AS last_end
FROM jobs
GROUP BY kind, code_version, program, seed
ORDER BY first_start, kind, program

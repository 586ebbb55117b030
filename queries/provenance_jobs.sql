-- Question:   what does each job depend on: its part of the spec, its inputs, its seed?
-- Parameters: none
-- Columns:    kind, label, job_id (hash of kind, code version, spec, inputs and seed), spec (the part that the job
--             depends on, JSON), inputs (ids of what it read), seed, code_version, program, seconds
SELECT kind, label, job_id, spec, inputs, seed, code_version, program, seconds
FROM jobs
ORDER BY started_us, job_id

-- Question:   what are the hashes of the trained weights?
-- Parameters: none
-- Columns:    name, preset, status, parameters, weights (BLAKE3 of the weights; NULL where they are not kept), job_id
--             (that trained it)
SELECT name, preset, status, parameters, weights, job_id
FROM models
ORDER BY name, job_id

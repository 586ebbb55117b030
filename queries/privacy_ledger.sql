-- Question:   what has each model spent, on what, and what does its epsilon promise?
-- Parameters: $role = NULL (`target` or `shadow`; all roles)
-- Columns:    name, event, phase, mechanism, sampling_rate, noise_multiplier, clip_norm, steps,
--             epsilon_after (upper bound of all events so far by the model's accountant), epsilon_rdp and epsilon_pld
--             (by each; NULL where it has no answer), delta, neighbours, guarantee,
--             epsilon_end_to_end; models without DP have no ledger and are not here
SELECT
    models.name, ledger.event, ledger.phase, ledger.mechanism,
    ledger.sampling_rate, ledger.noise_multiplier, ledger.clip_norm, ledger.steps,
    ledger.epsilon_after, ledger.epsilon_rdp, ledger.epsilon_pld, ledger.delta, ledger.neighbours,
    models.guarantee, models.epsilon_end_to_end
FROM privacy_ledger AS ledger
JOIN models ON models.model_id = ledger.model_id
WHERE $role IS NULL OR models.role = $role
ORDER BY models.name, ledger.event

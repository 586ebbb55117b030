-- Question:   what does the epsilon of each target model promise, in numbers and words?
-- Parameters: none
-- Columns:    name, generator, dataset, class, regime, delta, unit (what the epsilon is about: `trace` or `host`), members (units
--             it was trained on), epsilon_spent (upper bound
--             of the mechanism), accountant, epsilon_rdp and epsilon_pld (the same by each), guarantee (`none: delta`: a delta of 1/members or more promises nothing),
--             epsilon_end_to_end (infinite where private traces went past the mechanism or delta promises nothing, NULL
--             without DP and where it is only claimed), noise (where its randomness comes from), meaning (in words)
SELECT
    name, generator, dataset, class,
    regime,
    delta, unit, members, epsilon_spent, accountant, epsilon_rdp, epsilon_pld, guarantee, epsilon_end_to_end, noise, meaning
FROM model_privacy
WHERE role = 'target'
ORDER BY generator, dataset, class, epsilon DESC NULLS FIRST, regime DESC

-- Question:   what does the epsilon of each target model promise, in numbers and words?
-- Parameters: none
-- Columns:    name, generator, dataset, class, regime, delta, epsilon_spent (upper bound of the mechanism), accountant,
--             guarantee, epsilon_end_to_end (infinite where private traces went past the mechanism, NULL where nothing
--             is promised), noise (where its randomness comes from), meaning (in words)
SELECT
    name, generator, dataset, class,
    CASE WHEN epsilon IS NULL THEN 'no DP' ELSE concat('eps ', epsilon) END AS regime,
    delta, epsilon_spent, accountant, guarantee, epsilon_end_to_end, noise, meaning
FROM model_privacy
WHERE role = 'target'
ORDER BY generator, dataset, class, epsilon DESC NULLS FIRST

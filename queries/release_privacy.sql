-- Question:   what has a trace (a host, where that is the unit) lost in all models of its split together, if they are released together?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    release (`all targets` of the split, or the `end-to-end targets` alone), dataset, class, models,
--             guarantee (the weakest of theirs), epsilon (upper bound of all their mechanisms together at delta; infinite
--             where one has none), accountant (`rdp` where `pld` has no answer), epsilon_rdp, epsilon_end_to_end (infinite
--             where the guarantee is not end-to-end), delta (the smallest of theirs), unit, neighbours, members
SELECT
    release, dataset, class, models, guarantee, epsilon, accountant, epsilon_rdp, epsilon_end_to_end, delta,
    unit, neighbours, members
FROM release_privacy
WHERE $dataset IS NULL OR dataset = $dataset
ORDER BY dataset, class, split_id, release

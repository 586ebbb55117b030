-- Question:   how far is synthetic traffic from real traffic, by generator and privacy budget?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, dataset, class, regime, jsd (mean Jensen-Shannon distance of synthetic from member
--             packets over fields and positions), jsd_held_out (the same for held-out real packets: the value
--             of a perfect generator), wasserstein and wasserstein_held_out (as these, of the numeric fields,
--             each in standard deviations of the member traces), fields (header fields measured)
SELECT
    generator, dataset, class, regime,
    avg(synthetic_value) FILTER (WHERE metric = 'jsd') AS jsd,
    avg(held_out_value) FILTER (WHERE metric = 'jsd') AS jsd_held_out,
    avg(synthetic_value) FILTER (WHERE metric = 'wasserstein_scaled') AS wasserstein,
    avg(held_out_value) FILTER (WHERE metric = 'wasserstein_scaled') AS wasserstein_held_out,
    count(DISTINCT field) AS fields
FROM field_fidelity
WHERE $dataset IS NULL OR dataset = $dataset
GROUP BY generator, dataset, class, epsilon, regime
ORDER BY generator, dataset, class, epsilon DESC NULLS FIRST

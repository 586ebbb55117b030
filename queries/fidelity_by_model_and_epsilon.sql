-- Question:   how far is synthetic traffic from real traffic, by generator and privacy budget?
-- Parameters: $dataset = NULL (all datasets)
-- Columns:    generator, dataset, class, regime, jsd (mean Jensen-Shannon distance of synthetic from member
--             packets over fields and positions; 1 = nothing in common), jsd_held_out (the floor: the same for as many
--             real traces that the model never saw, what a perfect generator gets), jsd_without_ids and
--             jsd_held_out_without_ids (the same without addresses, identification and checksum, which name hosts and
--             packets and which a private generator cannot have), wasserstein and wasserstein_held_out (as jsd, of the numeric fields, each in standard deviations of the member
--             traces), fields (header fields measured), positions (packet positions compared, of the field with most),
--             absent (share of synthetic values that are not there because traces are shorter than the longest: each
--             is a value of its own, in every distance), plan (the spec that every number of the row is of; see the
--             table plans)
SELECT
    generator, dataset, class, regime,
    avg(synthetic_value) FILTER (WHERE metric = 'jsd') AS jsd,
    avg(held_out_value) FILTER (WHERE metric = 'jsd') AS jsd_held_out,
    avg(synthetic_value) FILTER (
        WHERE metric = 'jsd' AND field NOT IN ('src_ip', 'dst_ip', 'identification', 'checksum')
    ) AS jsd_without_ids,
    avg(held_out_value) FILTER (
        WHERE metric = 'jsd' AND field NOT IN ('src_ip', 'dst_ip', 'identification', 'checksum')
    ) AS jsd_held_out_without_ids,
    avg(synthetic_value) FILTER (WHERE metric = 'wasserstein_scaled') AS wasserstein,
    avg(held_out_value) FILTER (WHERE metric = 'wasserstein_scaled') AS wasserstein_held_out,
    count(DISTINCT field) AS fields,
    max(positions) AS positions,
    avg(absent) FILTER (WHERE metric = 'jsd') AS absent, plan
FROM field_fidelity
WHERE $dataset IS NULL OR dataset = $dataset
GROUP BY generator, dataset, class, epsilon, plan, regime
ORDER BY generator, dataset, class, epsilon DESC NULLS FIRST, regime DESC

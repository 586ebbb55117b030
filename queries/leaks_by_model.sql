-- Question:   what of their training traces do the models put into synthetic ones, above what held-out traces explain?
-- Parameters: $dataset = NULL (all datasets)
--             $kind = NULL (all kinds: `trace`, `frame`, `payload`, `ipv4`, `dns_name`, ...)
-- Columns:    generator, dataset, class, regime, measure, kind, value (for members), control (for held-out or other real
--             traces), excess (value minus control; for the distance, control minus value), hits, n, p_value, plan
--             (the spec that every number of the row is of; see the table plans)
SELECT
    generator, dataset, class,
    regime,
    measure, kind, value, control,
    CASE WHEN measure = 'distance_to_closest' THEN control - value ELSE value - control END AS excess,
    hits, n, p_value, plan
FROM leaks
WHERE ($dataset IS NULL OR dataset = $dataset) AND ($kind IS NULL OR kind = $kind)
ORDER BY generator, dataset, class, epsilon DESC NULLS FIRST, regime DESC, measure, kind

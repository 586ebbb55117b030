-- Question:   what are the packets of one trace, down to their bytes?
-- Parameters: $trace_id = NULL (real or synthetic; the first real trace if none is named)
-- Columns:    trace_id, synthetic, dataset, class, position, direction (0 as the first packet), after_us
--             (since the first packet), source, destination, protocol, ip_length, ttl, tcp_flags,
--             payload_length, bytes (hexdump of the Ethernet frame)
SELECT
    trace_id, synthetic, dataset, class, position, direction,
    time_us - first_value(time_us) OVER (PARTITION BY trace_id ORDER BY position) AS after_us,
    concat(ip_text(src_ip), ':', src_port) AS source,
    concat(ip_text(dst_ip), ':', dst_port) AS destination,
    protocol, ip_length, ttl, tcp_flags, payload_length,
    hexdump(data) AS bytes
FROM packets
WHERE trace_id = coalesce($trace_id, (SELECT min(trace_id) FROM traces))
ORDER BY position

SELECT id, event_id, event_type, state, attempts, due_us, last_attempt_us, last_status, last_error, last_latency_ms
FROM deliveries WHERE endpoint_id = $1 AND id = $2

SELECT id, event_id, event_type, state, attempts, due_us, last_attempt_us, last_status, last_error, last_latency_ms
FROM deliveries
WHERE endpoint_id = $1 AND ($2 = '' OR state = $2) AND ($3 = '' OR id < $3)
ORDER BY id DESC LIMIT $4

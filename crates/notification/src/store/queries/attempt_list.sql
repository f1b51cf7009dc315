SELECT number, started_us, latency_ms, status, error, response
FROM attempts WHERE delivery_id = $1 ORDER BY number

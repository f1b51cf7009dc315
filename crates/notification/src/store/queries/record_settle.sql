-- Fenced by the lease: a worker that was overtaken changes nothing.
UPDATE deliveries SET state = $3, attempts = attempts + $4, round = round + $4, due_us = $5,
    lease_until_us = NULL, lease_token = NULL, settled_us = $6,
    last_attempt_us = CASE WHEN $4 = 1 THEN $7 ELSE last_attempt_us END,
    last_status = $8, last_error = $9,
    last_latency_ms = CASE WHEN $4 = 1 THEN $10 ELSE last_latency_ms END
WHERE id = $1 AND lease_token = $2
RETURNING attempts

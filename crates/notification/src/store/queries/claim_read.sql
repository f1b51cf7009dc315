SELECT d.id, d.endpoint_id, d.event_id, d.event_type, d.position, d.attempts, d.round, e.url, e.owner,
    s.current, s.previous, s.previous_until_us
FROM deliveries d
JOIN webhook_endpoints e ON e.id = d.endpoint_id
JOIN webhook_secrets s ON s.endpoint_id = d.endpoint_id
WHERE d.lease_token = $1 AND d.lease_until_us = $2
ORDER BY d.position

-- Endpoints with something due and how many more attempts each may have; in random order, so that none is last always.
SELECT e.id,
    CASE WHEN e.failures >= 5 THEN 1 ELSE $2 END
    - (SELECT count(*) FROM deliveries l WHERE l.endpoint_id = e.id AND l.lease_until_us > $1) AS free
FROM webhook_endpoints e
WHERE e.state = 'active'
    AND EXISTS (SELECT 1 FROM deliveries d WHERE d.endpoint_id = e.id AND d.state = 'pending' AND d.due_us <= $1)
ORDER BY random()

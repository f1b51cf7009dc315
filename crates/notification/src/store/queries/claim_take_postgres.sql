-- One statement: the endpoint's row is locked first, so that two replicas do not both fill its places.
WITH places AS (
    SELECT e.id,
        greatest(0, CASE WHEN e.failures >= 5 THEN 1 ELSE $2 END
            - (SELECT count(*) FROM deliveries l WHERE l.endpoint_id = e.id AND l.lease_until_us > $1)) AS free
    FROM webhook_endpoints e
    WHERE e.state = 'active'
        AND EXISTS (SELECT 1 FROM deliveries d WHERE d.endpoint_id = e.id AND d.state = 'pending' AND d.due_us <= $1)
    ORDER BY random()
    FOR UPDATE OF e SKIP LOCKED
), due AS (
    SELECT d.id FROM places p
    CROSS JOIN LATERAL (
        SELECT id FROM deliveries
        WHERE endpoint_id = p.id AND state = 'pending' AND due_us <= $1
        ORDER BY due_us, position LIMIT p.free
        FOR UPDATE SKIP LOCKED) d
    LIMIT $5
)
UPDATE deliveries t SET due_us = $3, lease_until_us = $3, lease_token = $4 FROM due WHERE t.id = due.id

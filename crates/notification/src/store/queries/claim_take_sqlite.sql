UPDATE deliveries SET due_us = $3, lease_until_us = $3, lease_token = $4
WHERE id IN (
    SELECT id FROM deliveries
    WHERE endpoint_id = $1 AND state = 'pending' AND due_us <= $2
    ORDER BY due_us, position LIMIT $5)

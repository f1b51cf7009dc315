-- What waited for a paused endpoint for as long as settled deliveries are kept waits no more.
UPDATE deliveries SET state = 'dead', settled_us = $2, last_error = 'the endpoint stayed paused'
WHERE id IN (
    SELECT d.id FROM deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id
    WHERE d.state = 'pending' AND e.state = 'paused' AND d.created_us < $1 AND d.lease_until_us IS NULL LIMIT $3)

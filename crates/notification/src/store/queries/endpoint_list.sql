SELECT e.id, e.owner, e.display_name, e.url, e.filter, e.state, e.failures, e.version, e.start_epoch,
    e.start_position, e.created_us,
    (SELECT count(*) FROM deliveries d WHERE d.endpoint_id = e.id AND d.state = 'pending') AS pending,
    (SELECT count(*) FROM deliveries d WHERE d.endpoint_id = e.id AND d.state = 'dead') AS dead
FROM webhook_endpoints e WHERE e.owner_id = $1 ORDER BY e.created_us, e.id LIMIT $2

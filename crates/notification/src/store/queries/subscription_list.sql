SELECT id, owner_id, display_name, filter, epoch, position, created_us, acknowledged_us
FROM subscriptions WHERE owner_id = $1 ORDER BY created_us, id LIMIT $2

INSERT INTO webhook_endpoints
    (id, owner_id, owner, display_name, url, filter, state, start_epoch, start_position, created_us)
VALUES ($1, $2, $3, $4, $5, $6, 'active', $7, $8, $9)

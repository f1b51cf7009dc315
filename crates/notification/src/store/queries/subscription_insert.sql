INSERT INTO subscriptions (id, owner_id, display_name, filter, epoch, position, created_us)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (owner_id, display_name) DO NOTHING

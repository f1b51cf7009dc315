INSERT INTO idempotency (owner_id, request_id, body_mac, result_id, created_us) VALUES ($1, $2, $3, $4, $5)

INSERT INTO webhook_secrets (endpoint_id, current) VALUES ($1, $2)

DELETE FROM webhook_endpoints WHERE owner_id = $1 AND id = $2

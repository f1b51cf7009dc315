SELECT count(*) AS made FROM webhook_endpoints WHERE owner_id = $1

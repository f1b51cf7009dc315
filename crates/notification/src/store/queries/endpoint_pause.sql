UPDATE webhook_endpoints SET state = 'paused', version = version + 1 WHERE id = $1 AND state = 'active'

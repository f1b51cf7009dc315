UPDATE webhook_endpoints SET state = 'active', failures = 0, version = version + 1
WHERE owner_id = $1 AND id = $2 AND state = 'paused'

SELECT id FROM deleted_endpoints ORDER BY id LIMIT 1

SELECT EXISTS (SELECT 1 FROM webhook_endpoints) AS found

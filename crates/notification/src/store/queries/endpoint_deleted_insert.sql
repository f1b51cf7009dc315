INSERT INTO deleted_endpoints (id) VALUES ($1) ON CONFLICT (id) DO NOTHING

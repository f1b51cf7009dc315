DELETE FROM deleted_endpoints WHERE id = $1

UPDATE webhook_endpoints SET failures = failures + 1 WHERE id = $1

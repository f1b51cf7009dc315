UPDATE deliveries SET due_us = $3, lease_until_us = NULL, lease_token = NULL WHERE id = $1 AND lease_token = $2

UPDATE webhook_secrets SET previous = current, previous_until_us = $3, current = $2 WHERE endpoint_id = $1

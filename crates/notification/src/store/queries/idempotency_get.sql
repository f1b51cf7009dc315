SELECT body_mac, result_id FROM idempotency WHERE owner_id = $1 AND request_id = $2

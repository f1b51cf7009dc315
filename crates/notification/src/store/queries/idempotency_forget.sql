DELETE FROM idempotency WHERE created_us < $1

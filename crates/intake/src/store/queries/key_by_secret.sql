select id, secret_sha256, previous_sha256, previous_until_us, expires_at_us, revoked_at_us, body from keys
where secret_sha256 = $1 or previous_sha256 = $1

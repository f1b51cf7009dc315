select id, secret_sha256, expires_at_us, revoked_at_us, body from keys where id = $1
for update

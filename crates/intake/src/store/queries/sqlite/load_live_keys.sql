select id, secret_sha256, previous_sha256, previous_until_us, expires_at_us, revoked_at_us, body from keys
where revoked_at_us is null and (expires_at_us is null or expires_at_us > $1)
order by id

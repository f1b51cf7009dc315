insert into keys (id, secret_sha256, previous_sha256, previous_until_us, expires_at_us, revoked_at_us, body)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (id) do update set secret_sha256 = excluded.secret_sha256, previous_sha256 = excluded.previous_sha256,
    previous_until_us = excluded.previous_until_us, expires_at_us = excluded.expires_at_us,
    revoked_at_us = excluded.revoked_at_us, body = excluded.body

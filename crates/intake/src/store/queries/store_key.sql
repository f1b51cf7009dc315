insert into keys (id, secret_sha256, expires_at_us, revoked_at_us, body) values ($1, $2, $3, $4, $5)
on conflict (id) do update set expires_at_us = excluded.expires_at_us, revoked_at_us = excluded.revoked_at_us,
    body = excluded.body

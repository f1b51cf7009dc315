select id, secret_sha256, previous_sha256, previous_until_us, expires_at_us, revoked_at_us, body,
    (select max(used_at_us) from key_uses where key_id = keys.id) as used_at_us,
    (select used_at_us from key_uses where key_id = keys.id and secret_sha256 = keys.previous_sha256)
        as previous_used_at_us
from keys where id < $1 order by id desc limit $2

insert into key_uses (key_id, secret_sha256, used_at_us) values ($1, $2, $3)
on conflict (key_id, secret_sha256) do update set used_at_us = excluded.used_at_us
where key_uses.used_at_us < excluded.used_at_us

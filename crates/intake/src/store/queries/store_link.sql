insert into links (id, request_id, token_sha256, body) values ($1, $2, $3, $4)
on conflict (id) do update set body = excluded.body

select id, token_sha256, body from links where request_id = $1 order by id desc limit $2

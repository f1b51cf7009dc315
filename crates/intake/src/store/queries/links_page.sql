select id, token_sha256, body from links where id > $1 order by id limit $2

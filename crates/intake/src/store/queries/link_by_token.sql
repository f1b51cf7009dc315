select id, token_sha256, body from links where token_sha256 = $1

select id, version, body from institutions where id = $1

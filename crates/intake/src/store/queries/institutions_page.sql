select id, version, body from institutions where true

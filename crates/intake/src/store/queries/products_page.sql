select id, version, body from products where true

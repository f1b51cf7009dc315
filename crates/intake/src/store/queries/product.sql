select id, version, body from products where id = $1

select id, version, body from products where id > $1 order by id limit $2

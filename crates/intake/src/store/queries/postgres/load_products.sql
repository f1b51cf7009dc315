select id, version, body from products where id = any($1) order by id
for update

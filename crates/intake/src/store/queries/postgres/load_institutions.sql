select id, version, body from institutions where id = any($1) order by id
for update

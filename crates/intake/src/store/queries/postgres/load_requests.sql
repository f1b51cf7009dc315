select id, body from requests where id = any($1) order by id
for update

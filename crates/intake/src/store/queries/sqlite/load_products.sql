select id, version, body from products where id in (select value from json_each($1)) order by id

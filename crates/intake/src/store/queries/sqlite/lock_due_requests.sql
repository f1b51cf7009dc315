select id, body from requests where id in (select unhex(value) from json_each($1)) order by id

select id, version, body from institutions where id in (select value from json_each($1)) order by id

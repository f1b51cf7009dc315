select id, version, body from servers
where (institution, id) in (select value ->> 0, value ->> 1 from json_each($1))
order by institution, id

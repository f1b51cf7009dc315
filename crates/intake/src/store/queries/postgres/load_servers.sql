select id, version, body from servers
where (institution, id) in (select * from unnest($1::text[], $2::text[]))
order by institution, id
for update

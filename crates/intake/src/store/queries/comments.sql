select id, request_id, internal, at_us, body from comments
where request_id = $1 and (not internal or $2) and id > $3
order by id
limit $4

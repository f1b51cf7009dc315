select id from (
    select id from requests
    where id > $1 and (position($2 in body) > 0 or ($3 <> '' and position($3 in search_text) > 0))
    union
    select request_id from grants where request_id > $1 and words is not null and position($2 in words) > 0
    union
    select request_id from comments where request_id > $1 and position($2 in body) > 0
) as found
order by id limit $4

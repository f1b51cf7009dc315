select id from (
    select id from requests
    where id > $1 and (instr(body, $2) > 0 or ($3 <> '' and instr(search_text, $3) > 0))
    union
    select request_id from grants where request_id > $1 and words is not null and instr(words, $2) > 0
    union
    select request_id from comments where request_id > $1 and instr(body, $2) > 0
)
order by id limit $4

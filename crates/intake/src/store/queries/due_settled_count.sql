select count(*) from (
    select 1 as one from grants where settled and due_class = $1 and due_at_us <= $2 limit $3
) as due

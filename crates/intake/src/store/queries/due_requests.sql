select id as request_id from requests
where due_class = $1 and due_at_us <= $2
order by due_at_us, id
limit $3

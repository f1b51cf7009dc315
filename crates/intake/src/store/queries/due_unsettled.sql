-- Which cases; their rows are locked next, in the order of ids.
select request_id from grants
where not settled and due_class = $1 and due_at_us <= $2
order by due_at_us, id
limit $3

-- `now` is bound, so it bounds the index; ordered by the index, so that no plan reads what is not due.
select id, request_id, body, state, hand_over_at_us, effective_at_us, expires_at_us, ending_at_us, ended_at_us,
    confirm_by_us, end_reason, epoch, version, updated_at_us, words
from grants
where settled and due_class = $1 and due_at_us <= $2
order by due_at_us, id
limit $3
for update skip locked

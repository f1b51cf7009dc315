select id, request_id, body, state, hand_over_at_us, effective_at_us, expires_at_us, ending_at_us, ended_at_us,
    confirm_by_us, end_reason, epoch, version, updated_at_us, words
from grants where request_id = any($1)
order by request_id, id

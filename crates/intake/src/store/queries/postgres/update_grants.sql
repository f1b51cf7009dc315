update grants set
    state = new.state,
    settled = new.settled,
    assignee_id = new.assignee_id,
    hand_over_at_us = new.hand_over_at_us,
    effective_at_us = new.effective_at_us,
    expires_at_us = new.expires_at_us,
    ending_at_us = new.ending_at_us,
    ended_at_us = new.ended_at_us,
    confirm_by_us = new.confirm_by_us,
    end_reason = new.end_reason,
    epoch = new.epoch,
    version = new.version,
    updated_at_us = new.updated_at_us,
    due_class = new.due_class,
    due_at_us = new.due_at_us,
    words = new.words
from unnest(
    $1::uuid[], $2::text[], $3::boolean[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::smallint[],
    $16::bigint[], $17::bytea[]
) as new (
    id, state, settled, assignee_id, hand_over_at_us, effective_at_us, expires_at_us, ending_at_us,
    ended_at_us, confirm_by_us, end_reason, epoch, version, updated_at_us, due_class, due_at_us, words
)
where grants.id = new.id

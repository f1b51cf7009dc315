update requests set
    product = new.product,
    queue = new.queue,
    state = new.state,
    assignee_id = new.assignee_id,
    emergency = new.emergency,
    promised_by_us = new.promised_by_us,
    submitted_at_us = new.submitted_at_us,
    version = new.version,
    due_class = new.due_class,
    due_at_us = new.due_at_us,
    destinations = new.destinations,
    search_text = new.search_text,
    body = new.body,
    break_glass = new.break_glass,
    review_owed = new.review_owed
from unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::smallint[], $11::bigint[], $12::text[], $13::text[], $14::bytea[],
    $15::boolean[], $16::boolean[]
) as new (
    id, product, queue, state, assignee_id, emergency, promised_by_us, submitted_at_us, version, due_class,
    due_at_us, destinations, search_text, body, break_glass, review_owed
)
where requests.id = new.id

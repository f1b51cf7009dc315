insert into requests (
    id, number, institution, product, queue, state, assignee_id, emergency, created_at_us, promised_by_us,
    submitted_at_us, version, due_class, due_at_us, destinations, search_text, body,
    break_glass, review_owed
) values {rows}

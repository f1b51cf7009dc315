insert into requests (
    id, number, institution, product, queue, state, assignee_id, emergency, created_at_us, promised_by_us,
    submitted_at_us, version, due_class, due_at_us, destinations, search_text, body,
    break_glass, review_owed
)
select * from unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::smallint[], $14::bigint[], $15::text[],
    $16::text[], $17::bytea[], $18::boolean[], $19::boolean[]
)

insert into grants (
    id, request_id, institution, product, cloud_team, emergency, destination, body, state, settled,
    assignee_id, hand_over_at_us, effective_at_us, expires_at_us, ending_at_us, ended_at_us, confirm_by_us,
    end_reason, epoch, version, updated_at_us, due_class, due_at_us, words, break_glass
)
select * from unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[], $8::bytea[],
    $9::text[], $10::boolean[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
    $16::bigint[], $17::bigint[], $18::text[], $19::bigint[], $20::bigint[], $21::bigint[], $22::smallint[],
    $23::bigint[], $24::bytea[], $25::boolean[]
)

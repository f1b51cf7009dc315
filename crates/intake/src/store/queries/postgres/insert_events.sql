insert into events (
    position, id, type, subject, sequence, institution, product, team, grant_id, emergency, at_us, details,
    salt, envelope
)
select * from unnest(
    $1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
    $9::uuid[], $10::boolean[], $11::bigint[], $12::bytea[], $13::bytea[], $14::bytea[]
)

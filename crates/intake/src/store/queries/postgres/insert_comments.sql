insert into comments (
    id, request_id, internal, at_us, body
)
select * from unnest(
    $1::uuid[], $2::uuid[], $3::boolean[], $4::bigint[], $5::bytea[]
)

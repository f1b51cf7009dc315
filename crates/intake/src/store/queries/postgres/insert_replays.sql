insert into replays (
    principal, method, request_id, body_mac, answer, at_us
)
select * from unnest(
    $1::text[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::bigint[]
)

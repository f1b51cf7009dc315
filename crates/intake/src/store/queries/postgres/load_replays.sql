select principal, method, request_id, body_mac, answer, at_us from replays
where (principal, method, request_id) in (
    select * from unnest($1::text[], $2::text[], $3::text[])
)

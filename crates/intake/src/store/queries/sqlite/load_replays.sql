select principal, method, request_id, body_mac, answer, at_us from replays
where (principal, method, request_id) in (
    select value ->> 0, value ->> 1, value ->> 2 from json_each($1)
)

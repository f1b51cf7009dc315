insert into replays (
    principal, method, request_id, body_mac, answer, at_us
) values {rows}

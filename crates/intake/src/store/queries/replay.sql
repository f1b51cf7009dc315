select principal, method, request_id, body_mac, answer, at_us from replays
where principal = $1 and method = $2 and request_id = $3

insert into comments (
    id, request_id, internal, at_us, body
) values {rows}

insert into imports (
    institution, external_id, request_id
) values {rows}

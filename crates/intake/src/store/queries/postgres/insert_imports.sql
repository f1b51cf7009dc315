insert into imports (
    institution, external_id, request_id
)
select * from unnest(
    $1::text[], $2::text[], $3::uuid[]
)

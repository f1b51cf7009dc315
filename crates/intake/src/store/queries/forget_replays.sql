delete from replays where (principal, method, request_id) in (
    select principal, method, request_id from replays where at_us < $1 order by at_us limit $2
)

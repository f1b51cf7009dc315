-- One look at the index for each key, whatever the planner thinks of the table's size.
select found.*
from unnest($1::text[], $2::text[], $3::text[]) as keys (principal, method, request_id)
cross join lateral (
    select replays.principal, replays.method, replays.request_id, body_mac, answer, at_us
    from replays
    where replays.principal = keys.principal and replays.method = keys.method and replays.request_id = keys.request_id
    limit 1
) as found

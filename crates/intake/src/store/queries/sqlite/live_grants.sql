-- One walk of the index for each stretch: `cross join` keeps the order. `live_rules` finds, `grants` decides; both are
-- read to a bound, and `cut` says when it was reached.
with found as materialized (
    select live_rules.grant_id
    from json_each(?5) as stretches
    cross join live_rules
    where live_rules.institution = ?1 and live_rules.place = stretches.value ->> 0
        and live_rules.network_from between stretches.value ->> 1 and stretches.value ->> 2
        and live_rules.network_to >= stretches.value ->> 3
        and (live_rules.expires_at_us is null or live_rules.expires_at_us > ?2)
    limit ?4
), candidates as materialized (
    select distinct grant_id from found order by grant_id limit ?3
)
select id, request_id, body, state, hand_over_at_us, effective_at_us, expires_at_us, ending_at_us, ended_at_us,
    confirm_by_us, end_reason, epoch, version, updated_at_us, words,
    (select count(*) from found) >= ?4 or (select count(*) from candidates) >= ?3 as cut
from candidates
cross join grants
where grants.id = candidates.grant_id
    and institution = ?1 and state = 'active' and (expires_at_us is null or expires_at_us > ?2)
order by id

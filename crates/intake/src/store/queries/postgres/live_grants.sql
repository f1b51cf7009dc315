-- One walk of the index for each stretch, whatever the planner thinks of the table's size. `live_rules` finds, `grants`
-- decides; both are read to a bound, and `cut` says when the first was reached (of the second, one more is asked for).
-- The ids pass from one to the other as an array: fewer steps of a plan than rows would take, and most of the time of a
-- short statement goes into beginning and ending its steps. `offset 0` keeps the array from being made twice, and grants
-- from being found by anything but their ids: the plan is kept, and a table is empty when it is made.
-- Subscripts, because the planner cannot count them: it would count the elements of an unnested array and plan anew for
-- every call, which takes longer than the look-up.
select grants.id, grants.request_id, grants.body, grants.state, grants.hand_over_at_us, grants.effective_at_us,
    grants.expires_at_us, grants.ending_at_us, grants.ended_at_us, grants.confirm_by_us, grants.end_reason,
    grants.epoch, grants.version, grants.updated_at_us, grants.words,
    cardinality(found.ids) >= $4 as cut
from (
    select array(
        select walk.grant_id
        from generate_subscripts($5::text[], 1) as stretch
        cross join lateral (
            select live_rules.grant_id
            from live_rules
            where live_rules.institution = $1 and live_rules.place = ($5::text[])[stretch]
                and live_rules.network_from between ($6::text[])[stretch] and ($7::text[])[stretch]
                and live_rules.network_to >= ($8::text[])[stretch]
                and (live_rules.expires_at_us is null or live_rules.expires_at_us > $2)
            limit $4
        ) as walk
        limit $4
    ) as ids
    offset 0
) as found
cross join lateral (
    select *
    from (select * from grants where id = any(found.ids) order by id offset 0) as found_grants
    where institution = $1 and state = 'active' and (expires_at_us is null or expires_at_us > $2)
    order by id
    limit $3
) as grants

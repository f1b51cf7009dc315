-- One walk of the index for each stretch, whatever the planner thinks of the table's size. `live_rules` finds, `grants`
-- decides; both are read to a bound, and `cut` says when it was reached: both counts are taken before the rows are cut.
-- Rows rather than common table expressions carry the counts: most look-ups find nothing, and those must be cheap.
-- Subscripts, because the planner cannot count them: it would count the elements of an unnested array and plan anew for
-- every call, which takes longer than the look-up.
select grants.id, grants.request_id, grants.body, grants.state, grants.hand_over_at_us, grants.effective_at_us,
    grants.expires_at_us, grants.ending_at_us, grants.ended_at_us, grants.confirm_by_us, grants.end_reason,
    grants.epoch, grants.version, grants.updated_at_us, grants.words,
    candidates.looked_at >= $4 or candidates.found >= $3 as cut
from (
    select rules.grant_id, max(rules.looked_at) as looked_at, count(*) over () as found
    from (
        select walked.grant_id, count(*) over () as looked_at
        from (
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
        ) as walked
    ) as rules
    group by rules.grant_id
    order by rules.grant_id
    limit $3
) as candidates
cross join lateral (
    select * from grants where grants.id = candidates.grant_id limit 1
) as grants
where grants.institution = $1 and grants.state = 'active'
    and (grants.expires_at_us is null or grants.expires_at_us > $2)
order by grants.id

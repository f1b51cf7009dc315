delete from live_rules
using unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) as gone (institution, place, network_from, grant_id)
where live_rules.institution = gone.institution and live_rules.place = gone.place
    and live_rules.network_from = gone.network_from and live_rules.grant_id = gone.grant_id

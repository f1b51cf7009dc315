delete from live_rules where (institution, place, network_from, grant_id) in (
    select institution, place, network_from, grant_id from live_rules
    where expires_at_us <= ?1
    order by expires_at_us
    limit ?2
)

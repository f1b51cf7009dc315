delete from live_rules where (institution, place, network_from, grant_id) in (values {rows})

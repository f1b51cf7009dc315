insert into live_rules (institution, place, network_from, grant_id, network_to, expires_at_us)
values {rows}
on conflict (institution, place, network_from, grant_id) do update set expires_at_us = excluded.expires_at_us

-- Makes the rows of access that opened or whose end changed, and sweeps rows whose end is long past, so that the table
-- stays as large as what is open. Rows that another replica holds are left to it.
with swept as (
    delete from live_rules
    where ctid = any(array(
        select ctid from live_rules where expires_at_us <= $7 order by expires_at_us limit $8 for update skip locked
    ))
)
insert into live_rules (institution, place, network_from, grant_id, network_to, expires_at_us)
select * from unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::bigint[])
    as new (institution, place, network_from, grant_id, network_to, expires_at_us)
order by institution, place, network_from, grant_id
on conflict (institution, place, network_from, grant_id) do update set expires_at_us = excluded.expires_at_us
where live_rules.expires_at_us is distinct from excluded.expires_at_us

-- A version that is not newer changes no row: somebody else was there first.
insert into products (id, version, support_team, cloud_team, body) values ($1, $2, $3, $4, $5)
on conflict (id) do update set version = excluded.version, support_team = excluded.support_team, cloud_team = excluded.cloud_team, body = excluded.body
where products.version < excluded.version

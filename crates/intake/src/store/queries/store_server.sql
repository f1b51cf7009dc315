-- A version that is not newer changes no row: somebody else was there first.
insert into servers (institution, id, version, cloud_team, body) values ($1, $2, $3, $4, $5)
on conflict (institution, id) do update set version = excluded.version, cloud_team = excluded.cloud_team, body = excluded.body
where servers.version < excluded.version

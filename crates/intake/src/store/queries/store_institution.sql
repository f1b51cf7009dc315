-- A version that is not newer changes no row: somebody else was there first.
insert into institutions (id, version, body) values ($1, $2, $3)
on conflict (id) do update set version = excluded.version, body = excluded.body
where institutions.version < excluded.version

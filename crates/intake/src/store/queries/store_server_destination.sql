-- A name and an address may be written twice.
insert into server_destinations (institution, server, destination) values ($1, $2, $3) on conflict do nothing

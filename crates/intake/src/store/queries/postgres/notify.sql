-- Part of the group: told when, and only when, it commits.
select pg_notify($1, $2)

-- The keys are made with the ledger; a second start changes nothing.
insert into ledger_meta (id, epoch, cursor_key, body_key) values (1, 1, $1, $2)
on conflict (id) do nothing

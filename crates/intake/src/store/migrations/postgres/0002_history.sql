-- History that can be checked: the log is a Merkle log (RFC 6962), the leaf of a position its envelope.

-- Hashes of complete subtrees, up to 256 a row, as in C2SP tlog-tiles: what proofs are made of. All of it can be computed
-- from the events again, and whoever checks does.
create table history_tiles (
    level smallint not null,
    number bigint not null,
    hashes bytea not null,
    primary key (level, number)
);

-- The newest signed head: one row, locked by the replica that seals. Older heads are kept outside this database.
create table history_head (
    id integer primary key check (id = 1),
    size bigint not null,
    note text not null,
    sealed_at_us bigint not null
);
insert into history_head (id, size, note, sealed_at_us) values (1, 0, '', 0);

-- An event by its id: proofs are asked for by it. Ids rise with time, so the index grows at its end.
create unique index events_id on events (id);

-- The events that may say what a grant opens: one or two for each grant.
create index events_openings on events (position)
    where type in ('portreeve.grant.scheduled', 'portreeve.grant.handed_over', 'portreeve.grant.imported');

-- The ledger. Instants are microseconds since 1970-01-01 (UTC), ids are 16-byte blobs, bodies are JSON.
-- No foreign keys: intake alone writes here, and every write was stepped by the domain; a check per row buys nothing.

-- Facts of the ledger: one row.
create table ledger_meta (
    id integer primary key check (id = 1),
    epoch integer not null,
    cursor_key blob not null,
    body_key blob not null
) strict;

-- The head of the event log: one row, locked last in every group and held through its commit.
create table ledger_head (
    id integer primary key check (id = 1),
    position integer not null
) strict;
insert into ledger_head (id, position) values (1, 0);

-- Request numbers given out, by year.
create table request_numbers (
    year integer primary key,
    count integer not null
) strict;

create table requests (
    id blob primary key,
    number text not null unique,
    institution text not null,
    product text,
    queue text not null,
    state text not null,
    assignee_id text,
    emergency integer not null,
    created_at_us integer not null,
    promised_by_us integer,
    submitted_at_us integer,
    version integer not null,
    due_class integer,
    due_at_us integer,
    -- One canonical destination a line, with a line break before and after each.
    destinations text not null,
    -- Lower case.
    search_text text not null,
    body blob not null
) strict;
create index requests_institution on requests (institution, id);
create index requests_queue on requests (queue)
    where state in ('submitted', 'in_review', 'info_needed', 'approved', 'implementing');
create index requests_due on requests (due_class, due_at_us, id) where due_at_us is not null;

create table grants (
    id blob primary key,
    request_id blob not null,
    institution text not null,
    product text,
    cloud_team text not null,
    emergency integer not null,
    destination text not null,
    -- What never changes.
    body blob not null,
    -- What changes: a mass expiry updates these alone.
    state text not null,
    settled integer not null,
    assignee_id text,
    hand_over_at_us integer not null,
    effective_at_us integer,
    expires_at_us integer,
    ending_at_us integer,
    ended_at_us integer,
    confirm_by_us integer,
    end_reason text,
    epoch integer not null,
    version integer not null,
    updated_at_us integer not null,
    due_class integer,
    due_at_us integer,
    -- Assignee, note and asked extension; null when there is none.
    words blob
) strict;
create index grants_request on grants (request_id, id);
create index grants_institution on grants (institution, id);
create index grants_live on grants (institution, destination) where state = 'active';
create index grants_work on grants (cloud_team)
    where state in ('activating', 'activation_failed', 'ending', 'ending_failed');
-- Settled grants are stepped alone, the others with their request: two disjoint indexes, one entry a row.
create index grants_due_settled on grants (due_class, due_at_us, id) where settled and due_at_us is not null;
create index grants_due_unsettled on grants (due_class, due_at_us, id) where not settled and due_at_us is not null;

-- What live grants open, for finding those that touch a request: a row for each place (a destination, or a server of the
-- catalogue) and source network. The keys sort networks of one level by where they begin (store/reach.rs). Rows are made
-- when access opens and taken away when it is revoked or given back. A row whose end has come counts as gone: a herd of
-- deadlines writes nothing here, and whoever opens access next sweeps some of them.
create table live_rules (
    institution text not null,
    place text not null,
    network_from text not null,
    grant_id blob not null,
    network_to text not null,
    expires_at_us integer,
    primary key (institution, place, network_from, grant_id)
) strict, without rowid;
create index live_rules_over on live_rules (expires_at_us) where expires_at_us is not null;

create table events (
    position integer primary key,
    id blob not null,
    type text not null,
    subject text not null,
    sequence integer not null,
    institution text,
    product text,
    team text,
    grant_id blob,
    emergency integer not null,
    at_us integer not null,
    details blob not null,
    salt blob not null,
    envelope blob not null
) strict;
create unique index events_subject on events (subject, sequence);
create index events_institution on events (institution, position);

create table comments (
    id blob primary key,
    request_id blob not null,
    internal integer not null,
    at_us integer not null,
    body blob not null
) strict;
create index comments_request on comments (request_id, id);

create table institutions (
    id text primary key,
    version integer not null,
    body blob not null
) strict;

create table products (
    id text primary key,
    version integer not null,
    support_team text not null,
    cloud_team text not null,
    body blob not null
) strict;

create table servers (
    institution text not null,
    id text not null,
    version integer not null,
    cloud_team text,
    body blob not null,
    primary key (institution, id)
) strict;

-- Which servers a destination names, so that a server of another institution is told from an unknown one.
create table server_destinations (
    destination text not null,
    institution text not null,
    server text not null,
    primary key (destination, institution, server)
) strict, without rowid;
create index server_destinations_of on server_destinations (institution, server);

create table keys (
    id blob primary key,
    secret_sha256 blob not null,
    expires_at_us integer,
    revoked_at_us integer,
    body blob not null
) strict;
create unique index keys_secret on keys (secret_sha256);

create table imports (
    institution text not null,
    external_id text not null,
    request_id blob not null,
    primary key (institution, external_id)
) strict;

create table replays (
    principal text not null,
    method text not null,
    request_id text not null,
    body_mac blob not null,
    answer blob not null,
    at_us integer not null,
    primary key (principal, method, request_id)
) strict;
create index replays_age on replays (at_us);

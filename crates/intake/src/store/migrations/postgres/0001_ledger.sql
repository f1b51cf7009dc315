-- The ledger. Instants are microseconds since 1970-01-01 (UTC), ids are UUIDs, bodies are JSON.
-- Texts compare by their bytes, as on SQLite and whatever the locale of the database.
-- No foreign keys: intake alone writes here, and every write was stepped by the domain; a check per row buys nothing.

-- Facts of the ledger: one row.
create table ledger_meta (
    id integer primary key check (id = 1),
    epoch integer not null,
    cursor_key bytea not null,
    body_key bytea not null
);

-- The head of the event log: one row, locked last in every group and held through its commit.
create table ledger_head (
    id integer primary key check (id = 1),
    position bigint not null
);
insert into ledger_head (id, position) values (1, 0);

-- Request numbers given out, by year.
create table request_numbers (
    year integer primary key,
    count integer not null
);

-- Bodies stay uncompressed in the row up to a page: compressing two kilobytes costs more than it saves.
create table requests (
    id uuid primary key,
    number text collate "C" not null unique,
    institution text collate "C" not null,
    product text collate "C",
    queue text collate "C" not null,
    state text collate "C" not null,
    assignee_id text collate "C",
    emergency boolean not null,
    created_at_us bigint not null,
    promised_by_us bigint,
    submitted_at_us bigint,
    version bigint not null,
    due_class smallint,
    due_at_us bigint,
    -- One canonical destination a line, with a line break before and after each.
    destinations text collate "C" not null,
    -- Lower case.
    search_text text collate "C" not null,
    body bytea not null
) with (toast_tuple_target = 8160);
create index requests_institution on requests (institution, id);
create index requests_queue on requests (queue)
    where state in ('submitted', 'in_review', 'info_needed', 'approved', 'implementing');
create index requests_due on requests (due_class, due_at_us, id) where due_at_us is not null;

-- A herd of deadlines leaves a dead row each, and dead entries at the front of the due indexes: vacuumed early.
create table grants (
    id uuid primary key,
    request_id uuid not null,
    institution text collate "C" not null,
    product text collate "C",
    cloud_team text collate "C" not null,
    emergency boolean not null,
    destination text collate "C" not null,
    -- What never changes.
    body bytea not null,
    -- What changes: a mass expiry updates these alone.
    state text collate "C" not null,
    settled boolean not null,
    assignee_id text collate "C",
    hand_over_at_us bigint not null,
    effective_at_us bigint,
    expires_at_us bigint,
    ending_at_us bigint,
    ended_at_us bigint,
    confirm_by_us bigint,
    end_reason text collate "C",
    epoch bigint not null,
    version bigint not null,
    updated_at_us bigint not null,
    due_class smallint,
    due_at_us bigint,
    -- Assignee, note and asked extension; null when there is none.
    words bytea
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
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
    institution text collate "C" not null,
    place text collate "C" not null,
    network_from text collate "C" not null,
    grant_id uuid not null,
    network_to text collate "C" not null,
    expires_at_us bigint,
    primary key (institution, place, network_from, grant_id) include (network_to, expires_at_us)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
create index live_rules_over on live_rules (expires_at_us) where expires_at_us is not null;

create table events (
    position bigint primary key,
    id uuid not null,
    type text collate "C" not null,
    subject text collate "C" not null,
    sequence bigint not null,
    institution text collate "C",
    product text collate "C",
    team text collate "C",
    grant_id uuid,
    emergency boolean not null,
    at_us bigint not null,
    details bytea not null,
    salt bytea not null,
    envelope bytea not null
);
create unique index events_subject on events (subject, sequence);
create index events_institution on events (institution, position);

create table comments (
    id uuid primary key,
    request_id uuid not null,
    internal boolean not null,
    at_us bigint not null,
    body bytea not null
);
create index comments_request on comments (request_id, id);

create table institutions (
    id text collate "C" primary key,
    version bigint not null,
    body bytea not null
);

create table products (
    id text collate "C" primary key,
    version bigint not null,
    support_team text collate "C" not null,
    cloud_team text collate "C" not null,
    body bytea not null
);

create table servers (
    institution text collate "C" not null,
    id text collate "C" not null,
    version bigint not null,
    cloud_team text collate "C",
    body bytea not null,
    primary key (institution, id)
);

-- Which servers a destination names, so that a server of another institution is told from an unknown one.
create table server_destinations (
    destination text collate "C" not null,
    institution text collate "C" not null,
    server text collate "C" not null,
    primary key (destination, institution, server)
);
create index server_destinations_of on server_destinations (institution, server);

create table keys (
    id uuid primary key,
    secret_sha256 bytea not null,
    expires_at_us bigint,
    revoked_at_us bigint,
    body bytea not null
);
create unique index keys_secret on keys (secret_sha256);

create table imports (
    institution text collate "C" not null,
    external_id text collate "C" not null,
    request_id uuid not null,
    primary key (institution, external_id)
);

create table replays (
    principal text collate "C" not null,
    method text collate "C" not null,
    request_id text collate "C" not null,
    body_mac bytea not null,
    answer bytea not null,
    at_us bigint not null,
    primary key (principal, method, request_id)
);
create index replays_age on replays (at_us);

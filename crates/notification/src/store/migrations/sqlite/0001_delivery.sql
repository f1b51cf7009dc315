-- Subscriptions: durable, named places in the feed.
CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    filter TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    position BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    acknowledged_us BIGINT,
    UNIQUE (owner_id, display_name)
);

-- Webhook endpoints. `owner` is the principal (JSON) whose scope is asked at each delivery.
CREATE TABLE webhook_endpoints (
    id TEXT PRIMARY KEY,
    owner_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    display_name TEXT NOT NULL,
    url TEXT NOT NULL,
    filter TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'paused')),
    failures BIGINT NOT NULL DEFAULT 0,
    version BIGINT NOT NULL DEFAULT 1,
    start_epoch BIGINT NOT NULL,
    start_position BIGINT NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE INDEX webhook_endpoints_by_owner ON webhook_endpoints (owner_id, created_us);

-- Signing secrets, apart from what is listed. The previous one signs beside the current until `previous_until_us`.
CREATE TABLE webhook_secrets (
    endpoint_id TEXT PRIMARY KEY REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    current TEXT NOT NULL,
    previous TEXT,
    previous_until_us BIGINT
);

-- The leader's lease, its fencing token and the place that it has expanded: one row, so that one update checks all.
CREATE TABLE expansion (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL,
    position BIGINT NOT NULL,
    leader TEXT NOT NULL,
    token BIGINT NOT NULL,
    lease_until_us BIGINT NOT NULL
);
INSERT INTO expansion (id, epoch, position, leader, token, lease_until_us) VALUES (1, 0, 0, '', 0, 0);

-- One event on its way to one endpoint. `due_us` is the next attempt, or the end of the lease while one is made.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    endpoint_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    position BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts BIGINT NOT NULL DEFAULT 0,
    round BIGINT NOT NULL DEFAULT 0,
    due_us BIGINT NOT NULL,
    lease_until_us BIGINT,
    lease_token BIGINT,
    created_us BIGINT NOT NULL,
    settled_us BIGINT,
    last_attempt_us BIGINT,
    last_status BIGINT NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT '',
    last_latency_ms BIGINT NOT NULL DEFAULT 0,
    UNIQUE (endpoint_id, event_id)
);
CREATE INDEX deliveries_pending ON deliveries (endpoint_id, due_us, position) WHERE state = 'pending';
CREATE INDEX deliveries_due ON deliveries (due_us) WHERE state = 'pending';
CREATE INDEX deliveries_leased ON deliveries (endpoint_id) WHERE lease_until_us IS NOT NULL;
CREATE INDEX deliveries_by_lease ON deliveries (lease_token) WHERE lease_token IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (endpoint_id) WHERE state = 'dead';
CREATE INDEX deliveries_settled ON deliveries (settled_us) WHERE settled_us IS NOT NULL;
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id, id);

-- What each attempt met; bounded per delivery.
CREATE TABLE attempts (
    delivery_id TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    started_us BIGINT NOT NULL,
    latency_ms BIGINT NOT NULL,
    status BIGINT NOT NULL,
    error TEXT NOT NULL,
    response TEXT NOT NULL,
    PRIMARY KEY (delivery_id, number)
);

-- Deleted endpoints whose deliveries are still to be removed, in bounded batches.
CREATE TABLE deleted_endpoints (
    id TEXT PRIMARY KEY
);

-- Answers to repeats. `body_mac` is keyed: a plain hash of a body would tell a reader of this table what was in it.
CREATE TABLE idempotency (
    owner_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    body_mac BLOB NOT NULL,
    result_id TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (owner_id, request_id)
);
CREATE INDEX idempotency_by_age ON idempotency (created_us);

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
);

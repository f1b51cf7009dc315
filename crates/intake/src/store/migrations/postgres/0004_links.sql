-- Links: what a colleague without a key may do to one request. The token is never here, only its hash.

create table links (
    id uuid primary key,
    request_id uuid not null,
    token_sha256 bytea not null,
    body bytea not null
);
create unique index links_token on links (token_sha256);
create index links_request on links (request_id, id);

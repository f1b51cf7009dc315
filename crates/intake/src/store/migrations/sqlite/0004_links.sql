-- Links: what a colleague without a key may do to one request. The token is never here, only its hash.

create table links (
    id blob primary key,
    request_id blob not null,
    token_sha256 blob not null,
    body blob not null
) strict;
create unique index links_token on links (token_sha256);
create index links_request on links (request_id, id);

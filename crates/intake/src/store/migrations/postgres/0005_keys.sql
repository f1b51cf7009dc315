-- Rotation with an overlap: the secret before the present one, and until when it still works.
alter table keys add column previous_sha256 bytea;
alter table keys add column previous_until_us bigint;
create unique index keys_previous on keys (previous_sha256) where previous_sha256 is not null;

-- When each secret of a key was last used, to the minute. Beside the keys, so that a use never waits for a command.
create table key_uses (
    key_id uuid not null,
    secret_sha256 bytea not null,
    used_at_us bigint not null,
    primary key (key_id, secret_sha256)
);

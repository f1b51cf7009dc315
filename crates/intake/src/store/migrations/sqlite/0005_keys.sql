-- Rotation with an overlap: the secret before the present one, and until when it still works.
alter table keys add column previous_sha256 blob;
alter table keys add column previous_until_us integer;
create unique index keys_previous on keys (previous_sha256) where previous_sha256 is not null;

-- When each secret of a key was last used, to the minute. Beside the keys, so that a use never waits for a command.
create table key_uses (
    key_id blob not null,
    secret_sha256 blob not null,
    used_at_us integer not null,
    primary key (key_id, secret_sha256)
) strict, without rowid;

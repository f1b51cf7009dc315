-- Emergencies that were opened before their review, and reviews that are owed: found by filter, and first in every queue.
alter table requests add column break_glass integer not null default 0;
alter table requests add column review_owed integer not null default 0;
update requests set review_owed = coalesce(json_extract(cast(body as text), '$.review_owed'), 0);
create index requests_review_owed on requests (queue) where review_owed;
alter table grants add column break_glass integer not null default 0;

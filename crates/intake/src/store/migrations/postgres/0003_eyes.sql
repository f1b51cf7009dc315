-- Emergencies that were opened before their review, and reviews that are owed: found by filter, and first in every queue.
alter table requests add column break_glass boolean not null default false;
alter table requests add column review_owed boolean not null default false;
update requests set review_owed = coalesce((convert_from(body, 'UTF8')::jsonb ->> 'review_owed')::boolean, false);
create index requests_review_owed on requests (queue) where review_owed;
alter table grants add column break_glass boolean not null default false;

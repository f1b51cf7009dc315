-- One look at the index for each key, whatever the planner thinks of the table's size.
select keys.institution, keys.external_id, found.number
from unnest($1::text[], $2::text[]) as keys (institution, external_id)
cross join lateral (
    select requests.number
    from imports join requests on requests.id = imports.request_id
    where imports.institution = keys.institution and imports.external_id = keys.external_id
    limit 1
) as found

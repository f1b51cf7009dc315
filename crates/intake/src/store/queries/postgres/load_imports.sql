select imports.institution, imports.external_id, requests.number
from imports join requests on requests.id = imports.request_id
where (imports.institution, imports.external_id) in (select * from unnest($1::text[], $2::text[]))

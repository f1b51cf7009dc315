select imports.institution, imports.external_id, requests.number
from imports join requests on requests.id = imports.request_id
where (imports.institution, imports.external_id) in (select value ->> 0, value ->> 1 from json_each($1))

select request_id, count(*) as count from grants where request_id = any($1) group by request_id

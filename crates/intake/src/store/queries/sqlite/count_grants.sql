select request_id, count(*) as count from grants where request_id in (select unhex(value) from json_each($1)) group by request_id

select id, body from requests where id = $1

select id from requests where number = $1

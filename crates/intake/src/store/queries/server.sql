select id, version, body from servers where institution = $1 and id = $2

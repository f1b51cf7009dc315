update events set details = $2, salt = $3 where position = $1

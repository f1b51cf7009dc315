delete from server_destinations where institution = $1 and server = $2

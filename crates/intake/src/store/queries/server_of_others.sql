-- Whether a destination names a server of another institution.
select institution from server_destinations where destination = $1 and institution <> $2 limit 1

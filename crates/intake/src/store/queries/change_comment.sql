update comments set body = $2 where id = $1

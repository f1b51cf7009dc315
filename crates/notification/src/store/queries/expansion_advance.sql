UPDATE expansion SET epoch = $4, position = $5, lease_until_us = $6
WHERE id = 1 AND token = $1 AND epoch = $2 AND position = $3

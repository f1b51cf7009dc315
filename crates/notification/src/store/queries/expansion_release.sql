UPDATE expansion SET lease_until_us = 0, leader = '' WHERE id = 1 AND token = $1

-- A new token at each take-over fences the leader before; the same leader keeps its own.
UPDATE expansion
SET token = CASE WHEN leader = $1 THEN token ELSE token + 1 END, leader = $1, lease_until_us = $3
WHERE id = 1 AND (leader = $1 OR lease_until_us <= $2)
RETURNING token, epoch, position

-- Forward alone: a place of a later epoch is later, whatever its position.
UPDATE subscriptions SET epoch = $3, position = $4, acknowledged_us = $5
WHERE owner_id = $1 AND id = $2 AND (epoch < $3 OR (epoch = $3 AND position < $4))

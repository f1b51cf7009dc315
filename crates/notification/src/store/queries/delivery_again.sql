-- One that is in the middle of an attempt is left alone.
UPDATE deliveries SET state = 'pending', due_us = $3, settled_us = NULL,
    round = CASE WHEN state = 'pending' THEN round ELSE 0 END
WHERE endpoint_id = $1 AND id = $2 AND lease_until_us IS NULL AND (state <> 'pending' OR due_us > $3)

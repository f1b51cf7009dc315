DELETE FROM subscriptions WHERE owner_id = $1 AND id = $2

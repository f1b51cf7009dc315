SELECT count(*) AS made FROM subscriptions WHERE owner_id = $1

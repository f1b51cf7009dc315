SELECT current, previous, previous_until_us FROM webhook_secrets WHERE endpoint_id = $1

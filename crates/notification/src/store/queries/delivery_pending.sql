SELECT count(*) AS pending, coalesce(min(created_us), 0) AS oldest_us FROM deliveries WHERE state = 'pending'

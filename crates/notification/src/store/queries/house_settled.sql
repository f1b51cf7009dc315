DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE settled_us < $1 ORDER BY settled_us LIMIT $2)

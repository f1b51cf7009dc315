UPDATE expansion SET epoch = $1, position = $2
WHERE id = 1 AND (epoch < $1 OR (epoch = $1 AND position < $2))

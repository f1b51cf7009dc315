DELETE FROM attempts WHERE delivery_id = $1 AND number <= $2

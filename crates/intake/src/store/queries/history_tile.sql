select hashes from history_tiles where level = $1 and number = $2

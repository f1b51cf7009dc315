select size, note, sealed_at_us from history_head where id = 1

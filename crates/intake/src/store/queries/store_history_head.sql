update history_head set size = $1, note = $2, sealed_at_us = $3 where id = 1 and size = $4

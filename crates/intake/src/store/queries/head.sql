select position from ledger_head where id = 1

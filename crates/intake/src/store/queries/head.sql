select position from ledger_head

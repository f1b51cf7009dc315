select ledger_meta.epoch, ledger_meta.cursor_key, ledger_meta.body_key, ledger_head.position
from ledger_meta cross join ledger_head

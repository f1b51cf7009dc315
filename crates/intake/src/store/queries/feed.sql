select ledger_meta.epoch, ledger_meta.cursor_key, ledger_meta.body_key, ledger_head.position
from ledger_meta cross join ledger_head where ledger_meta.id = 1 and ledger_head.id = 1

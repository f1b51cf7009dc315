update ledger_meta set epoch = epoch + 1 returning epoch

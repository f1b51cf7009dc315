-- Locked last in a group and held through its commit: positions are gap-free in commit order.
update ledger_head set position = position + $1 returning position

-- Locked last in a group and held through its commit: positions are gap-free in commit order. The announcement is part
-- of the group: it is told when, and only when, it commits. Says `replica:head:earliest`.
with advanced as (
    update ledger_head set position = position + $1 where id = 1 returning position
)
select position, pg_notify($2, concat($3::text, ':', position, ':', $4::text))::text from advanced

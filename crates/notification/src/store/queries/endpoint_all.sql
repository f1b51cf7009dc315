-- Paused endpoints too: what happens meanwhile waits for them.
SELECT id, owner, filter, start_epoch, start_position FROM webhook_endpoints ORDER BY id

INSERT INTO deliveries (id, endpoint_id, event_id, event_type, position, state, due_us, created_us) 

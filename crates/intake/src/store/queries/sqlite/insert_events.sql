insert into events (
    position, id, type, subject, sequence, institution, product, team, grant_id, emergency, at_us, details,
    salt, envelope
) values {rows}

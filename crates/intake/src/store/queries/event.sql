select position, id, type, subject, sequence, institution, product, team, grant_id, emergency, at_us, details, envelope
from events where id = $1

select position, id, type, subject, sequence, institution, product, team, grant_id, emergency, at_us, details, salt, envelope
from events where position > $1 and position <= $2 and position($3 in details) > 0
order by position limit $4

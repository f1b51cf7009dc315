-- How far a look at so many events of one institution reaches.
select position from events where institution = $1 and position > $2 order by position limit 1 offset $3

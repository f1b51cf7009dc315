-- One look at the end of an index for each subject.
select subjects.value as subject, (
    select max(events.sequence) from events where events.subject = subjects.value
) as sequence from unnest($1::text[]) as subjects(value)

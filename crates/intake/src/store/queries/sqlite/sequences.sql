-- One look at the end of an index for each subject.
select subjects.value as subject, (
    select max(events.sequence) from events where events.subject = subjects.value
) as sequence from json_each($1) as subjects

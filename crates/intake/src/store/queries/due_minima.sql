-- The earliest deadline of each source and class: nine probes of the three due indexes.
select 0 as source, classes.class, (
    select min(due_at_us) from grants where settled and due_class = classes.class and due_at_us is not null
) as due_at_us from (select 0 as class union all select 1 union all select 2) as classes
union all
select 1 as source, classes.class, (
    select min(due_at_us) from grants where not settled and due_class = classes.class and due_at_us is not null
) as due_at_us from (select 0 as class union all select 1 union all select 2) as classes
union all
select 2 as source, classes.class, (
    select min(due_at_us) from requests where due_class = classes.class and due_at_us is not null
) as due_at_us from (select 0 as class union all select 1 union all select 2) as classes

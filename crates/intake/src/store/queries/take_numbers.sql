insert into request_numbers (year, count) values ($1, $2)
on conflict (year) do update set count = request_numbers.count + excluded.count
returning count

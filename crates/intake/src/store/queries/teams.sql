select support_team as team from products
union select cloud_team from products
union select cloud_team from servers where cloud_team is not null
order by team

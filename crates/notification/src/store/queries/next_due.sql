SELECT min(due_us) AS due_us FROM deliveries WHERE state = 'pending' AND due_us > $1

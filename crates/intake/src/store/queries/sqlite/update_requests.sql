update requests set
    product = new.column2,
    queue = new.column3,
    state = new.column4,
    assignee_id = new.column5,
    emergency = new.column6,
    promised_by_us = new.column7,
    submitted_at_us = new.column8,
    version = new.column9,
    due_class = new.column10,
    due_at_us = new.column11,
    destinations = new.column12,
    search_text = new.column13,
    body = new.column14,
    break_glass = new.column15,
    review_owed = new.column16
from (values {rows}) as new
where requests.id = new.column1

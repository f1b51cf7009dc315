update grants set
    state = new.column2,
    settled = new.column3,
    assignee_id = new.column4,
    hand_over_at_us = new.column5,
    effective_at_us = new.column6,
    expires_at_us = new.column7,
    ending_at_us = new.column8,
    ended_at_us = new.column9,
    confirm_by_us = new.column10,
    end_reason = new.column11,
    epoch = new.column12,
    version = new.column13,
    updated_at_us = new.column14,
    due_class = new.column15,
    due_at_us = new.column16,
    words = new.column17
from (values {rows}) as new
where grants.id = new.column1

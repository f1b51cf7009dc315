select grants.id, grants.request_id, grants.body, grants.state, grants.hand_over_at_us, grants.effective_at_us, 
    grants.expires_at_us, grants.ending_at_us, grants.ended_at_us, grants.confirm_by_us, grants.end_reason, 
    grants.epoch, grants.version, grants.updated_at_us, grants.words
from grants where true

insert into grants (
    id, request_id, institution, product, cloud_team, emergency, destination, body, state, settled,
    assignee_id, hand_over_at_us, effective_at_us, expires_at_us, ending_at_us, ended_at_us, confirm_by_us,
    end_reason, epoch, version, updated_at_us, due_class, due_at_us, words, break_glass
) values {rows}

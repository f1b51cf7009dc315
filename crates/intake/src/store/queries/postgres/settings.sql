-- Every statement here walks an index in its order and stops early. Without fresh statistics (a new table, a herd of
-- deadlines just stored) the planner would rather read and sort, or hash, a whole table for a few rows; so it may not.
-- Least of all the whole of a new and empty table: the plan would be kept while the table grows. What has no index to
-- walk (nothing that is asked often) is priced beyond reason by this, and must not be compiled for it.
select set_config('search_path', $1, false),
    set_config('statement_timeout', $2, false),
    set_config('lock_timeout', $3, false),
    set_config('idle_in_transaction_session_timeout', $4, false),
    set_config('enable_seqscan', 'off', false),
    set_config('jit', 'off', false),
    set_config('enable_bitmapscan', 'off', false),
    set_config('enable_hashjoin', 'off', false),
    set_config('enable_mergejoin', 'off', false),
    set_config('random_page_cost', '1.1', false)

//! PostgreSQL alone: what its planner and its locks do.

use std::collections::BTreeSet;

use domain::{event::EventType, grant::GrantState};
use sqlx::Row;

use super::{Place, commit, values::*};
use crate::store::Changes;

/// What every plan must be: bounded by `now`, along the due index, without a sort.
fn assert_index(plan: &str, index: &str) {
    assert!(
        plan.contains(&format!("Index Scan using {index}")),
        "{plan}"
    );
    let bound = plan
        .lines()
        .find(|line| line.contains("Index Cond"))
        .unwrap_or_default();
    assert!(
        bound.contains("due_class =") && bound.contains("due_at_us <="),
        "{plan}"
    );
    assert!(
        !plan.contains("Seq Scan") && !plan.contains("Sort"),
        "{plan}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_is_found_by_its_index_among_many_that_are_not() {
    let place = Place::postgres();
    let store = place.open().await;
    let request = request(1, "north");
    commit(
        &store,
        &making(
            &request,
            &[grant(&request, GrantState::Active, Some(minutes(1_000)))],
        ),
    )
    .await;
    for (settled, class) in [(true, 0), (false, 1)] {
        place
            .sql(&format!(
                "insert into grants select gen_random_uuid(), request_id, institution, product, cloud_team, emergency,
                    destination, body, state, {settled}, assignee_id, hand_over_at_us, effective_at_us,
                    due_at_us + n, ending_at_us, ended_at_us, confirm_by_us, end_reason, epoch, version,
                    updated_at_us, {class}, due_at_us + n, words
                from grants, generate_series(1, 100000) as n where version = 1 and n > 0
                    and grants.id = '{id}'",
                id = store.case(request.id).await.unwrap().unwrap().grants[0].id,
            ))
            .await;
    }
    place.sql("analyze grants").await;
    let mut connection = place.connect().await;
    for (name, statement, index) in [
        (
            "settled",
            include_str!("../queries/postgres/due_settled.sql"),
            "grants_due_settled",
        ),
        (
            "unsettled",
            include_str!("../queries/due_unsettled.sql"),
            "grants_due_unsettled",
        ),
    ] {
        for mode in ["force_generic_plan", "force_custom_plan"] {
            let text = format!(
                "set plan_cache_mode = {mode}; prepare {name}_{mode}(integer, bigint, bigint) as {statement};"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(text))
                .execute(&mut connection)
                .await
                .unwrap();
            let explain = format!("explain execute {name}_{mode}(0, {}, 5000)", NOW.micros());
            let plan = sqlx::raw_sql(sqlx::AssertSqlSafe(explain))
                .fetch_all(&mut connection)
                .await
                .unwrap();
            let plan: Vec<String> = plan.iter().map(|row| row.get::<String, _>(0)).collect();
            assert_index(&plan.join("\n"), index);
        }
    }
    let explain = concat!("explain ", include_str!("../queries/due_minima.sql"));
    let plan = sqlx::raw_sql(explain)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get::<String, _>(0)).collect();
    assert!(
        !plan.join("\n").contains("Seq Scan on grants"),
        "{}",
        plan.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_replica_runs_is_skipped_and_stands_until_it_is_done() {
    let place = Place::postgres();
    let (one, two) = (place.open().await, place.open().await);
    let request = request(1, "north");
    let grants: Vec<_> = (0..10)
        .map(|_| grant(&request, GrantState::Active, Some(minutes(-1))))
        .collect();
    let question = asked(2, minutes(-1));
    commit(&one, &making(&request, &grants)).await;
    commit(&one, &making(&question, &[])).await;

    let mut first = one.begin().await.unwrap();
    let mut second = two.begin().await.unwrap();
    let taken = first
        .load_due(&one.ahead().await.unwrap(), 4)
        .await
        .unwrap();
    assert!(taken.more);
    let rest = second
        .load_due(&two.ahead().await.unwrap(), 100)
        .await
        .unwrap();
    assert!(
        !rest.more,
        "what the other holds is asked about after the commit"
    );
    assert!(two.ahead().await.unwrap().is_due());
    assert_eq!(rest.cases.len(), 1);
    let ids = |due: &crate::store::Due| {
        due.grants
            .iter()
            .map(|grant| grant.id)
            .collect::<BTreeSet<_>>()
    };
    assert_eq!((ids(&taken).len(), ids(&rest).len()), (4, 6));
    assert!(ids(&taken).is_disjoint(&ids(&rest)));

    // Both write: nobody waits for anybody but the head.
    for (mut transaction, due) in [(first, taken), (second, rest)] {
        let mut changes = Changes::default();
        for mut grant in due.grants {
            grant.state = GrantState::Ended;
            grant.version += 1;
            changes
                .events
                .push(grant_event(EventType::GrantEnded, &grant));
            changes.changed_grants.push(grant);
        }
        transaction.write(&changes).await.unwrap();
        transaction.commit().await.unwrap();
    }
    let events = one
        .subject_events(&request.id.to_string(), 0, 100)
        .await
        .unwrap();
    assert_eq!(
        events
            .iter()
            .map(|event| event.sequence)
            .collect::<Vec<_>>(),
        (1..=11).collect::<Vec<_>>()
    );
    let mut third = two.begin().await.unwrap();
    let left = third
        .load_due(&two.ahead().await.unwrap(), 100)
        .await
        .unwrap();
    assert_eq!(
        (left.grants.len(), left.cases.len(), left.more),
        (0, 1, false)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_may_start_together() {
    let place = Place::postgres();
    let stores = tokio::join!(place.open(), place.open(), place.open(), place.open());
    let feeds = [&stores.0, &stores.1, &stores.2, &stores.3];
    let first = stores.0.feed().await.unwrap();
    for store in feeds {
        assert_eq!(store.feed().await.unwrap(), first);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_and_empty_table_is_not_read_whole_by_plans_that_are_kept() {
    let place = Place::postgres();
    let _store = place.open().await;
    let mut connection = place.connect().await;
    let schema: String = sqlx::query_scalar("show search_path")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    sqlx::query(include_str!("../queries/postgres/settings.sql"))
        .bind(schema)
        .bind("30s")
        .bind("5s")
        .bind("60s")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::raw_sql("set plan_cache_mode = force_generic_plan")
        .execute(&mut connection)
        .await
        .unwrap();
    macro_rules! hot {
        ($($name:literal)*) => {
            [$(($name, include_str!(concat!("../queries/", $name, ".sql")))),*]
        };
    }
    let statements = hot! {
        "head" "subject_events" "replay" "key_by_secret" "request" "grant" "grants_of_request"
        "due_minima" "due_requests" "due_unsettled" "forget_replays"
        "postgres/advance_head" "postgres/load_replays" "postgres/load_requests" "postgres/load_grants"
        "postgres/load_imports" "postgres/sequences" "postgres/update_requests" "postgres/update_grants"
        "postgres/due_settled" "postgres/lock_due_requests" "postgres/lock_due_grants" "postgres/count_grants"
    };
    for (number, (name, statement)) in statements.into_iter().enumerate() {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "prepare hot_{number} as {statement}"
        )))
        .execute(&mut connection)
        .await
        .unwrap();
        let parameters = (1..)
            .take_while(|n| statement.contains(&format!("${n}")))
            .map(|_| "null")
            .collect::<Vec<_>>()
            .join(", ");
        let arguments = if parameters.is_empty() {
            String::new()
        } else {
            format!("({parameters})")
        };
        let plan = sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "explain execute hot_{number}{arguments}"
        )))
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get::<String, _>(0)).collect();
        let plan = plan.join("\n");
        assert!(!plan.contains("Seq Scan"), "{name}:\n{plan}");
    }
}

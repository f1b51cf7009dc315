//! How the live grants that touch a request are found: by the index, however many there are, on both databases.

use sqlx::{AssertSqlSafe, ConnectOptions as _, Row, sqlite::SqliteConnectOptions};

use super::Place;
use crate::store::StoreLocation;

const FILL: &str =
    "insert into live_rules (institution, place, network_from, grant_id, network_to, expires_at_us)
    select 'north', 'host-' || n % 100 || '.example.org', '44' || {hex}, {id}, '44' || {hex}, n";

/// What `explain` says, as one text.
fn joined(rows: &[impl Row], read: impl Fn(usize) -> String) -> String {
    (0..rows.len()).map(read).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_walks_the_index_once_a_stretch_and_does_not_plan_for_every_call() {
    let place = Place::postgres();
    let _store = place.open().await;
    let fill = FILL
        .replace("{hex}", "lpad(to_hex(n), 8, '0')")
        .replace("{id}", "gen_random_uuid()");
    let fill = format!("{fill} from generate_series(1, 100000) as n; analyze live_rules;");
    place.sql(&fill).await;
    let mut connection = place.connect().await;
    let mut run = async |text: String| {
        sqlx::raw_sql(AssertSqlSafe(text))
            .fetch_all(&mut connection)
            .await
            .unwrap()
    };
    for setting in [
        "enable_seqscan",
        "enable_bitmapscan",
        "enable_hashjoin",
        "enable_mergejoin",
    ] {
        run(format!("set {setting} = off")).await;
    }
    let statement = include_str!("../queries/postgres/live_grants.sql");
    run(format!("prepare look as {statement}")).await;
    let call = "execute look('north', 0, 501, 4000, array['host-7.example.org', 'host-8.example.org'], \
        array['4400000000', '4400000000'], array['4400001000', '4400001000'], array['4400000010', '4400000010'])";
    for _ in 0..8 {
        run(call.to_owned()).await;
    }
    let counts = run("select generic_plans from pg_prepared_statements where name = 'look'".into());
    let generic: i64 = counts.await[0].get(0);
    assert!(generic >= 2, "planned anew for every call: {generic}");
    let plan = run(format!("explain {call}")).await;
    let plan = joined(&plan, |row| plan[row].get(0));
    assert!(
        plan.contains("using live_rules_pkey") && plan.contains("using grants_pkey"),
        "{plan}"
    );
    let condition = plan.lines().find(|line| line.contains("network_from >="));
    assert!(
        condition.is_some_and(|line| {
            line.contains("Index Cond")
                && line.contains("institution =")
                && line.contains("place =")
                && line.contains("network_from <=")
        }),
        "{plan}"
    );
    // Nor sorted: whatever is found comes in the order of its index.
    assert!(
        !plan.contains("Seq Scan") && !plan.contains("Sort"),
        "{plan}"
    );

    let sweep = "explain select ctid from live_rules where expires_at_us <= 5 order by expires_at_us limit 32";
    let plan = run(sweep.to_owned()).await;
    let plan = joined(&plan, |row| plan[row].get(0));
    assert!(plan.contains("using live_rules_over"), "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_walks_the_table_in_its_order_once_a_stretch() {
    let place = Place::sqlite();
    let _store = place.open().await;
    let fill = FILL
        .replace("{hex}", "printf('%08x', n)")
        .replace("{id}", "randomblob(16)");
    place
        .sql(&format!(
            "with recursive s(n) as (select 1 union all select n + 1 from s where n < 10000) {fill} from s"
        ))
        .await;
    let StoreLocation::Sqlite(path) = &place.location else {
        unreachable!("it is SQLite")
    };
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    let mut plan = async |statement: &str| {
        let text = AssertSqlSafe(format!("explain query plan {statement}"));
        let rows = sqlx::query(text).fetch_all(&mut connection).await.unwrap();
        joined(&rows, |row| rows[row].get("detail"))
    };
    for analyzed in [false, true] {
        if analyzed {
            place.sql("analyze").await;
        }
        let found = plan(include_str!("../queries/sqlite/live_grants.sql")).await;
        assert!(
            found.contains(
                "SEARCH live_rules USING PRIMARY KEY (institution=? AND place=? AND network_from>? AND network_from<?)"
            ),
            "{found}"
        );
        assert!(found.contains("SEARCH grants USING INDEX"), "{found}");
        assert!(
            !found.contains("SCAN live_rules") && !found.contains("SCAN grants"),
            "{found}"
        );
        let swept = plan(include_str!("../queries/sqlite/sweep_live_rules.sql")).await;
        assert!(swept.contains("live_rules_over"), "{swept}");
        assert!(!swept.contains("SCAN live_rules"), "{swept}");
    }
}

/// Otherwise every look-up is planned anew, and connections wait for each other; `.cargo/config.toml` says how.
#[tokio::test]
async fn sqlite_is_compiled_to_keep_its_plans_and_to_share_no_lock() {
    let mut connection = SqliteConnectOptions::new().connect().await.unwrap();
    let options: Vec<String> = sqlx::query_scalar("pragma compile_options")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let has = |name: &str| options.iter().any(|option| option == name);
    assert!(
        has("ENABLE_QPSG") && has("DEFAULT_MEMSTATUS=0"),
        "{options:?}"
    );
    assert!(
        !has("ENABLE_STAT4") && !has("ENABLE_MEMORY_MANAGEMENT"),
        "{options:?}"
    );
}

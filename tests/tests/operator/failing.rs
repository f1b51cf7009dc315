//! A store that fails under a running house: what callers are told, and what the operator is.

use proto::intake::v1::{ListAccessRequestsRequest, request_service_client::RequestServiceClient};
use service_kit::channel::{Target, connect};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use testkit::{Call, Place, Process, Store, asked, catalogue, until};

/// What belongs to the inside, on either store.
const INSIDE: [&str; 12] = [
    "sqlite",
    "sqlx",
    "postgres",
    "select",
    "insert",
    "relation",
    "no such table",
    "requests_away",
    "intake.db",
    "panicked",
    ".rs",
    "127.0.0.1",
];

/// Takes the table of requests away from a running ledger.
async fn break_the_store(place: &Place) {
    let url = place
        .settings()
        .into_iter()
        .find(|(key, _)| key == "database-url");
    match url {
        Some((_, url)) => {
            let mut database = PgConnection::connect(&url).await.unwrap();
            let rename = "alter table intake.requests rename to requests_away";
            sqlx::raw_sql(rename).execute(&mut database).await.unwrap();
        }
        None => {
            let path = place.data_dir().join("intake.db");
            let mut database = SqliteConnection::connect(&format!("sqlite:{}", path.display()))
                .await
                .unwrap();
            let rename = "alter table requests rename to requests_away";
            sqlx::raw_sql(rename).execute(&mut database).await.unwrap();
        }
    }
}

fn tells_nothing(place: &Place, told: &str) {
    let told = told.to_lowercase();
    let inside = INSIDE.iter().find(|word| told.contains(**word));
    assert_eq!(inside, None, "{told}");
    let path = place.path().display().to_string().to_lowercase();
    assert!(!told.contains(&path), "{told}");
}

async fn a_failing_store_is_told_to_the_operator_alone(store: Store) {
    let place = Place::fresh(store);
    let process = Process::start(&place, &[]).await;
    let admin = process.admin(&place);
    admin.post("/v1/catalogue:apply", &catalogue()).await.ok();
    let requests = "/v1/institutions/north/accessRequests";
    admin.post(requests, &asked()).await.ok();
    break_the_store(&place).await;

    let call = Call::default();
    for (method, body) in [
        (http::Method::GET, None),
        (http::Method::POST, Some(asked())),
    ] {
        let answer = admin.send(method, requests, body.as_ref(), &call).await;
        assert_eq!(answer.status, 500, "{:#}", answer.body);
        assert_eq!(answer.body["code"], "INTERNAL");
        tells_nothing(&place, &answer.body.to_string());
        tells_nothing(&place, &format!("{:?}", answer.headers));
        // Whoever asks the operator can name the call, and the log has the rest.
        let trace = answer.body["traceId"].as_str().unwrap().to_owned();
        until("the operator finds the reason by the trace", async || {
            process.log().contains(&trace) && process.log().contains("requests")
        })
        .await;
    }
    let mut asked = tonic::Request::new(ListAccessRequestsRequest {
        institution: "north".into(),
        ..ListAccessRequestsRequest::default()
    });
    let key = format!("Bearer {}", admin.secret());
    asked
        .metadata_mut()
        .insert("authorization", key.parse().unwrap());
    let target = Target::Tcp(process.base().parse().unwrap());
    let refused = RequestServiceClient::new(connect(target, None))
        .list_access_requests(asked)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Internal);
    tells_nothing(&place, refused.message());
    tells_nothing(&place, &String::from_utf8_lossy(refused.details()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_sqlite_is_told_to_the_operator_alone() {
    a_failing_store_is_told_to_the_operator_alone(Store::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_postgresql_is_told_to_the_operator_alone() {
    a_failing_store_is_told_to_the_operator_alone(Store::Postgres).await;
}

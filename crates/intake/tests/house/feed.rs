//! The event log and the deadlines, as the other services see them.

use std::time::Duration;

use proto::{intake::v1 as wire, types::v1 as types};
use service_kit::clock::Clock;
use tonic::{Code, Streaming};

use crate::stage::{House, administrator, institution, refusal, requester, service};

fn everything() -> Option<wire::Visibility> {
    Some(wire::Visibility {
        all: true,
        ..wire::Visibility::default()
    })
}

fn one(id: &str) -> Option<wire::Visibility> {
    Some(wire::Visibility {
        institutions: vec![id.into()],
        ..wire::Visibility::default()
    })
}

fn of_types(types: &[&str]) -> Option<types::EventFilter> {
    Some(types::EventFilter {
        types: types.iter().map(|text| (*text).to_owned()).collect(),
        ..Default::default()
    })
}

/// The next message, in bounded time.
async fn next<T>(stream: &mut Streaming<T>) -> Result<Option<T>, tonic::Status> {
    Clock::system()
        .timeout(Duration::from_secs(10), stream.message())
        .await
        .unwrap()
}

async fn store(house: &House, id: &str) {
    let batch = wire::ApplyCatalogueRequest {
        institutions: vec![institution(id)],
        ..Default::default()
    };
    house
        .catalogue(&administrator())
        .apply_catalogue(batch)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_follower_reads_the_past_and_then_what_comes() {
    let house = House::open().await;
    house.with_catalogue().await;
    let mut ledger = house.ledger(&service());
    let request = wire::TailEventsRequest {
        visibility: everything(),
        batch_size: 2,
        ..Default::default()
    };
    let mut stream = ledger.tail_events(request).await.unwrap().into_inner();
    let mut positions = Vec::new();
    while positions.len() < 5 {
        let batch = next(&mut stream).await.unwrap().unwrap();
        assert!(batch.events.len() <= 2);
        positions.extend(batch.events.iter().map(|event| event.position));
        assert_eq!(Some(&batch.position), positions.last());
    }
    assert_eq!(positions, [1, 2, 3, 4, 5]);

    store(&house, "east").await;
    let batch = next(&mut stream).await.unwrap().unwrap();
    assert_eq!(
        (batch.position, batch.events[0].r#type.as_str()),
        (6, "portreeve.institution.stored")
    );
    let envelope: serde_json::Value = serde_json::from_slice(&batch.events[0].envelope).unwrap();
    assert_eq!(envelope["specversion"], "1.0");
    assert_eq!(envelope["subject"], "institution/east");
    assert!(envelope["data"].get("actor").is_none(), "{envelope}");
}

#[tokio::test]
async fn a_reader_sees_what_is_its_own_and_hears_how_far_the_log_was_read() {
    let house = House::open().await;
    house.with_catalogue().await;
    let mut ledger = house.ledger(&service());
    let request = wire::TailEventsRequest {
        visibility: one("south"),
        until_head: true,
        ..Default::default()
    };
    let mut stream = ledger.tail_events(request).await.unwrap().into_inner();
    let (mut seen, mut position) = (Vec::new(), 0);
    while let Some(batch) = next(&mut stream).await.unwrap() {
        seen.extend(
            batch
                .events
                .into_iter()
                .map(|event| (event.r#type, event.institution)),
        );
        position = batch.position;
    }
    let south = || "south".to_owned();
    assert_eq!(
        seen,
        [
            ("portreeve.institution.stored".into(), south()),
            ("portreeve.server.stored".into(), south())
        ]
    );
    assert_eq!(position, 5);
}

#[tokio::test]
async fn a_quiet_follower_advances_by_bookmarks() {
    let house = House::open().await;
    store(&house, "north").await;
    let mut ledger = house.ledger(&service());
    let request = wire::TailEventsRequest {
        visibility: everything(),
        filter: of_types(&["portreeve.grant.*"]),
        after_position: 1,
        ..Default::default()
    };
    let mut stream = ledger.tail_events(request).await.unwrap().into_inner();
    store(&house, "south").await;
    // Wait for the follower to be at rest before its second passes.
    house.control.wait_for_sleepers(1).await;
    house.control.advance(Duration::from_secs(1));
    let bookmark = next(&mut stream).await.unwrap().unwrap();
    assert_eq!((bookmark.events.len(), bookmark.position), (0, 2));
}

#[tokio::test]
async fn a_page_of_the_log_says_where_to_go_on() {
    let house = House::open().await;
    house.with_catalogue().await;
    let mut ledger = house.ledger(&service());
    let request = |after_position| wire::ReadEventsRequest {
        after_position,
        limit: 1,
        filter: of_types(&["portreeve.server.stored"]),
        visibility: everything(),
    };
    let first = ledger.read_events(request(0)).await.unwrap().into_inner();
    let second = ledger
        .read_events(request(first.position))
        .await
        .unwrap()
        .into_inner();
    let third = ledger
        .read_events(request(second.position))
        .await
        .unwrap()
        .into_inner();
    let subjects: Vec<_> = [first, second]
        .into_iter()
        .flat_map(|page| page.events)
        .map(|event| event.subject)
        .collect();
    assert_eq!(subjects, ["server/north/app-1", "server/south/app-1"]);
    assert_eq!((third.events.len(), third.position, third.head), (0, 5, 5));
}

#[tokio::test]
async fn a_position_that_the_log_has_not_reached_is_refused() {
    let house = House::open().await;
    store(&house, "north").await;
    let mut ledger = house.ledger(&service());
    let read = wire::ReadEventsRequest {
        after_position: 2,
        visibility: everything(),
        ..Default::default()
    };
    assert_eq!(
        refusal(ledger.read_events(read).await),
        (Code::OutOfRange, "POSITION_AHEAD".into())
    );
    let tail = wire::TailEventsRequest {
        after_position: 2,
        visibility: everything(),
        ..Default::default()
    };
    assert_eq!(
        refusal(ledger.tail_events(tail).await),
        (Code::OutOfRange, "POSITION_AHEAD".into())
    );
    let blind = wire::ReadEventsRequest::default();
    assert_eq!(
        refusal(ledger.read_events(blind).await),
        (Code::InvalidArgument, "FIELD_INVALID".into())
    );
}

#[tokio::test]
async fn who_asks_for_sealed_events_reads_no_further_than_the_newest_head() {
    let house = House::open().await;
    house.with_catalogue().await;
    let filter = Some(types::EventFilter {
        sealed_only: true,
        ..Default::default()
    });
    let tail = wire::TailEventsRequest {
        visibility: everything(),
        filter: filter.clone(),
        batch_size: 2,
        ..Default::default()
    };
    let mut ledger = house.ledger(&service());
    let mut stream = ledger.tail_events(tail).await.unwrap().into_inner();
    let mut history = house.history(&administrator());
    let clock = Clock::system();
    let mut seen = 0;
    for name in ["east", "west", "south-east"] {
        store(&house, name).await;
        let head = ledger
            .get_feed(wire::GetFeedRequest {})
            .await
            .unwrap()
            .into_inner()
            .head;
        while seen < head {
            // Time passes for the sealer and for the slow poll alike.
            house.control.advance(Duration::from_secs(1));
            let wait = clock.timeout(Duration::from_millis(50), stream.message());
            let Ok(batch) = wait.await else { continue };
            seen = batch.unwrap().unwrap().position;
            let sealed = history.get_history_head(wire::GetHistoryHeadRequest {});
            let sealed = sealed.await.unwrap().into_inner().head.unwrap().tree_size;
            assert!(seen <= sealed, "{seen} was read, {sealed} are sealed");
        }
        // A page from the end is empty, also for a cursor that the seal has not reached.
        store(&house, &format!("{name}-2")).await;
        let page = wire::ReadEventsRequest {
            after_position: head + 1,
            visibility: everything(),
            filter: filter.clone(),
            ..Default::default()
        };
        let page = ledger.read_events(page).await.unwrap().into_inner();
        assert_eq!((page.events.len(), page.position), (0, head + 1));
    }
}

#[tokio::test]
async fn the_log_and_the_deadlines_are_for_services_alone() {
    let house = House::open().await;
    for principal in [administrator(), requester("north")] {
        let mut ledger = house.ledger(&principal);
        let forbidden = || (Code::PermissionDenied, "FORBIDDEN".to_owned());
        assert_eq!(
            refusal(ledger.get_feed(wire::GetFeedRequest {}).await),
            forbidden()
        );
        assert_eq!(
            refusal(ledger.run_due(wire::RunDueRequest { limit: 1 }).await),
            forbidden()
        );
        assert_eq!(
            refusal(ledger.read_events(wire::ReadEventsRequest::default()).await),
            forbidden()
        );
        assert_eq!(
            refusal(ledger.tail_events(wire::TailEventsRequest::default()).await),
            forbidden()
        );
        assert_eq!(
            refusal(
                ledger
                    .watch_next_deadline(wire::WatchNextDeadlineRequest {})
                    .await
            ),
            forbidden()
        );
    }
}

#[tokio::test]
async fn an_earlier_deadline_is_told_and_what_is_due_runs_once() {
    let house = House::open().await;
    house.with_catalogue().await;
    let mut ledger = house.ledger(&service());
    let hours = |count: u64| Some(count * 3_600_000_000);
    let mut deadlines = ledger
        .watch_next_deadline(wire::WatchNextDeadlineRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        next(&mut deadlines).await.unwrap().unwrap().next_due_in_us,
        None
    );
    house.with_open_access("north", "late", 2).await;
    assert_eq!(
        next(&mut deadlines).await.unwrap().unwrap().next_due_in_us,
        hours(2)
    );
    house.with_open_access("south", "soon", 1).await;
    assert_eq!(
        next(&mut deadlines).await.unwrap().unwrap().next_due_in_us,
        hours(1)
    );

    let early = ledger
        .run_due(wire::RunDueRequest { limit: 100 })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (early.ran, early.more, early.next_due_in_us),
        (0, false, hours(1))
    );
    house.control.advance(Duration::from_secs(3600));
    let due = ledger
        .run_due(wire::RunDueRequest { limit: 100 })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (due.ran, due.more, due.next_due_in_us),
        (1, false, hours(1))
    );
    let again = ledger
        .run_due(wire::RunDueRequest { limit: 100 })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(again.ran, 0);

    let read = wire::ReadEventsRequest {
        visibility: everything(),
        filter: of_types(&["portreeve.grant.ending"]),
        ..Default::default()
    };
    let events = ledger.read_events(read).await.unwrap().into_inner().events;
    assert_eq!(
        events
            .iter()
            .map(|event| event.institution.as_str())
            .collect::<Vec<_>>(),
        ["south"]
    );
}

#[tokio::test]
async fn a_restore_begins_a_new_epoch_and_says_so() {
    let facts = async |house: &House| {
        house
            .ledger(&service())
            .get_feed(wire::GetFeedRequest {})
            .await
            .unwrap()
            .into_inner()
    };
    let (new, restored) = (House::open().await, House::open_restored().await);
    let (before, after) = (facts(&new).await, facts(&restored).await);
    assert_eq!(
        (before.head, before.cursor_key.len(), before.source.as_str()),
        (0, 32, "/portreeve")
    );
    assert_eq!((after.epoch, after.head), (before.epoch + 1, 1));
    let read = wire::ReadEventsRequest {
        visibility: everything(),
        ..Default::default()
    };
    let events = restored
        .ledger(&service())
        .read_events(read)
        .await
        .unwrap()
        .into_inner()
        .events;
    assert_eq!(events[0].r#type, "portreeve.ledger.restored");
}

#[tokio::test]
async fn a_house_with_a_store_is_ready() {
    let house = House::open().await;
    assert!(house.readiness.failing().await.is_empty());
}

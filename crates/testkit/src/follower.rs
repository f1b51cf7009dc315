//! A follower of the event feed over server-sent events, as a browser is one: it reconnects and resumes.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{client::legacy::Client as Pool, rt::TokioExecutor};
use serde_json::Value;
use service_kit::clock::Clock;
use tokio::task::JoinHandle;

use crate::Client;

/// The largest event that is read, in bytes: more is a broken stream.
const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// One event as it came.
#[derive(Debug, Clone)]
pub struct FeedEvent {
    /// Its cursor.
    pub cursor: String,
    /// The CloudEvent.
    pub event: Value,
}

#[derive(Default)]
struct Seen {
    events: Vec<FeedEvent>,
    cursor: String,
    connections: u64,
    base: String,
}

/// Follows in the background until dropped.
pub struct Follower {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    /// Follows what `client` may see; `query` narrows (`types=portreeve.grant.*`), `cursor` is where to resume.
    pub fn start(client: Client, query: &str, cursor: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen {
            cursor: cursor.to_owned(),
            base: client.base().to_owned(),
            ..Seen::default()
        }));
        let task = tokio::spawn(follow(client, query.to_owned(), seen.clone()));
        Self { seen, task }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Everything seen so far.
    pub fn events(&self) -> Vec<FeedEvent> {
        self.with(|seen| seen.events.clone())
    }

    /// How many so far.
    pub fn count(&self) -> usize {
        self.with(|seen| seen.events.len())
    }

    /// How often it connected.
    pub fn connections(&self) -> u64 {
        self.with(|seen| seen.connections)
    }

    /// The house has moved, after a restart.
    pub fn moved_to(&self, base: &str) {
        self.with(|seen| base.clone_into(&mut seen.base));
    }
}

async fn follow(client: Client, query: String, seen: Arc<Mutex<Seen>>) {
    let clock = Clock::system();
    loop {
        once(&client, &query, &seen).await;
        clock.sleep(Duration::from_millis(20)).await;
    }
}

/// One connection, to its end.
async fn once(client: &Client, query: &str, seen: &Mutex<Seen>) {
    let lock = || seen.lock().unwrap_or_else(PoisonError::into_inner);
    let (base, cursor) = {
        let seen = lock();
        (seen.base.clone(), seen.cursor.clone())
    };
    let pool: Pool<_, Empty<Bytes>> = Pool::builder(TokioExecutor::new()).build_http();
    let mut request = Request::get(format!("{base}/v1/events:stream?{query}"))
        .header("accept", "text/event-stream")
        .header("authorization", format!("Bearer {}", client.secret()));
    if !cursor.is_empty() {
        request = request.header("last-event-id", cursor);
    }
    let request = request
        .body(Empty::new())
        .expect("a request that can be written");
    let Ok(response) = pool.request(request).await else {
        return;
    };
    if !response.status().is_success() {
        return;
    }
    lock().connections += 1;
    let mut body = response.into_body();
    let mut buffer = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Some(data) = frame.data_ref() else {
            continue;
        };
        buffer.extend_from_slice(data);
        while let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = buffer.drain(..end + 2).collect();
            take(&String::from_utf8_lossy(&block), &mut lock());
        }
        if buffer.len() > MAX_EVENT_BYTES {
            return;
        }
    }
}

fn take(block: &str, seen: &mut Seen) {
    let (mut id, mut data) = (None, String::new());
    for line in block.lines() {
        if let Some(value) = line.strip_prefix("id:") {
            id = Some(value.trim_start().to_owned());
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push_str(value.trim_start());
        }
    }
    let Some(cursor) = id else { return };
    seen.cursor.clone_from(&cursor);
    if !data.is_empty()
        && let Ok(event) = serde_json::from_str(&data)
    {
        seen.events.push(FeedEvent { cursor, event });
    }
}

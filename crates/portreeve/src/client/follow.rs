//! Following the event feed over broken connections.
//!
//! Role: one stream that goes on: when the connection breaks it dials again and resumes after the last cursor.
//! Invariants: nothing is skipped and nothing comes twice, because each answer's cursor says what was looked at.
//! Failure story: a first connection that fails is an error at once; later ones are tried again with growing pauses,
//! and the user is told once for each break.

use std::time::Duration;

use proto::{
    notification::v1::{PullEventsRequest, WatchEventsRequest, WatchEventsResponse},
    types::v1::EventFilter,
};
use tonic::Streaming;

use super::Session;
use crate::{out, trouble::Trouble};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A stream of events that resumes.
pub struct Follow {
    session: Session,
    request: WatchEventsRequest,
    stream: Option<Streaming<WatchEventsResponse>>,
    pause: Duration,
}

impl Follow {
    /// Starts to follow.
    ///
    /// # Errors
    /// When the first connection fails.
    pub async fn start(session: &Session, request: WatchEventsRequest) -> Result<Self, Trouble> {
        let mut follow = Self {
            session: session.clone(),
            request,
            stream: None,
            pause: FIRST_PAUSE,
        };
        follow.dial().await?;
        Ok(follow)
    }

    async fn dial(&mut self) -> Result<(), Trouble> {
        let answer = self
            .session
            .streams()
            .watch_events(self.request.clone())
            .await?;
        self.stream = Some(answer.into_inner());
        Ok(())
    }

    /// The next batch; a bookmark holds no event.
    ///
    /// # Errors
    /// What trying again cannot mend: a key that was revoked, a feed that a restore has ended.
    pub async fn next(&mut self) -> Result<WatchEventsResponse, Trouble> {
        loop {
            let trouble = match &mut self.stream {
                Some(stream) => match stream.message().await {
                    Ok(Some(batch)) => {
                        if !batch.cursor.is_empty() {
                            self.request.cursor.clone_from(&batch.cursor);
                            self.request.subscription.clear();
                        }
                        self.pause = FIRST_PAUSE;
                        return Ok(batch);
                    }
                    Ok(None) => Trouble::Unavailable("the server ended the stream".into()),
                    Err(status) => status.into(),
                },
                None => match self.dial().await {
                    Ok(()) => continue,
                    Err(trouble) => trouble,
                },
            };
            if !trouble.is_passing() {
                return Err(trouble);
            }
            if self.stream.take().is_some() {
                out::note(format!("portreeve: {trouble}; connecting again"));
            }
            self.session.clock.sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// The cursor of the feed's present head.
///
/// # Errors
/// As the gateway answers.
pub async fn head_cursor(session: &Session, filter: EventFilter) -> Result<String, Trouble> {
    let request = PullEventsRequest {
        cursor: "now".into(),
        filter: Some(filter),
        page_size: 1,
        ..PullEventsRequest::default()
    };
    let answer = session.notification().pull_events(request).await?;
    Ok(answer.into_inner().next_cursor)
}

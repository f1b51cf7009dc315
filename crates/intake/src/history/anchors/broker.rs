//! Signed heads in a stream of NATS JetStream.
//!
//! Role: publishes each note to the subject and waits until a stream has stored it. `Nats-Msg-Id` is the log's name and
//! the size, so that repeats of several replicas and of retries are stored once, within the stream's window for that.
//! Invariants: a connection for each head and none between two: a head that could not be published is not left in a
//! buffer, from which it would come late. The client never sees the login in an address, because it logs addresses.
//! Failure story: words for the log; a subject that no stream binds is told with the command that makes one.

use std::{sync::Arc, time::Duration};

use async_nats::{
    ConnectErrorKind, ConnectOptions,
    jetstream::{self, context::PublishErrorKind, message::PublishMessage},
};
use async_trait::async_trait;

use super::{
    address::Login,
    anchor::{ATTEMPT, Place, SignedHead, words},
    post::SIZE_HEADER,
};

/// Longest that the connection and the acknowledgement may take, each: less than the attempt, so that what was missing is
/// told.
const STEP: Duration = Duration::from_secs(ATTEMPT.as_secs() / 2 - 1);

pub(super) struct Broker {
    server: String,
    subject: String,
    login: Login,
}

impl Broker {
    pub(super) const fn new(server: String, subject: String, login: Login) -> Self {
        Self {
            server,
            subject,
            login,
        }
    }

    fn options(&self) -> ConnectOptions {
        let options = ConnectOptions::new()
            .name("portreeve heads of the history")
            .connection_timeout(STEP)
            // The anchor tries again, in its own time.
            .max_reconnects(1)
            .ignore_discovered_servers();
        match &self.login {
            Login::None => options,
            Login::Token(token) => options.token(token.clone()),
            Login::User { name, password } => {
                options.user_and_password(name.clone(), password.clone())
            }
        }
    }
}

#[async_trait]
impl Place for Broker {
    async fn keep(&mut self, head: &Arc<SignedHead>) -> Result<(), String> {
        let client = self
            .options()
            .connect(&self.server)
            .await
            .map_err(|error| match error.kind() {
                ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                    "the broker refused the login".to_owned()
                }
                _ => format!("no connection: {}", words(&error)),
            })?;
        let mut stream = jetstream::new(client);
        stream.set_timeout(STEP);
        let message = PublishMessage::build()
            .message_id(format!("{}/{}", head.origin, head.size))
            .header("Content-Type", "text/plain; charset=utf-8")
            .header(SIZE_HEADER, head.size.to_string())
            .payload(head.note.clone().into());
        let published = async {
            let sent = stream.send_publish(self.subject.clone(), message);
            sent.await?.await
        };
        match published.await {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.kind() {
                PublishErrorKind::StreamNotFound => format!(
                    "no JetStream stream stores the subject {subject}; make one: nats stream add --subjects {subject} HEADS",
                    subject = self.subject
                ),
                PublishErrorKind::TimedOut => format!(
                    "no acknowledgement: perhaps this login may not publish to {subject} or not subscribe to _INBOX.>, or something else than a stream listens there",
                    subject = self.subject
                ),
                _ => words(&error),
            }),
        }
    }
}

//! The other pages: what was sent, what was proved, and what is in the way.
//!
//! Role: words for people. A notice names what to do next, and nothing that a stranger should not learn.
//! Failure story: none.

use std::time::Duration;

use askama::Template;
use http::StatusCode;
use proto::error::{Failure, Kind};

use super::asked::{DESTINATIONS, Entries, SERVICES, SOURCES};
use super::form;
use super::reply::Page;
use crate::clients::links::{Outcome, Proof, View};
use crate::visits::Families;

/// What is in the way.
#[derive(Template)]
#[template(path = "link/notice.html")]
pub(super) struct Notice {
    title: &'static str,
    words: Vec<&'static str>,
    status: StatusCode,
    allow: Option<&'static str>,
    retry_after: Option<Duration>,
}

impl Page for Notice {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn allow(&self) -> Option<&'static str> {
        self.allow
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn text(&self) -> Result<String, askama::Error> {
        self.render()
    }
}

impl Notice {
    fn new(status: StatusCode, title: &'static str, words: &[&'static str]) -> Self {
        Self {
            title,
            words: words.to_vec(),
            status,
            allow: None,
            retry_after: None,
        }
    }

    /// One answer for what was used, what was taken back and what never was.
    pub(super) fn unknown() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "This link does not work",
            &[
                "It may have been used already, or taken back, or a part of its address is missing.",
                "If you have just sent the form, it has arrived and there is nothing more to do.",
                "Otherwise open the link again exactly as you received it, or ask the person who sent it for a new one.",
            ],
        )
    }

    pub(super) fn moved_on() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "There is nothing to fill in any more",
            &[
                "The request has moved on since the link was made.",
                "Ask the person who sent you the link whether they still need something from you.",
            ],
        )
    }

    pub(super) fn too_often(after: Duration) -> Self {
        Self {
            retry_after: Some(after),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "One moment, please",
                &[
                    "This page was asked for more often than it may be. Wait a few seconds and load it again.",
                ],
            )
        }
    }

    pub(super) fn wrong_method() -> Self {
        Self {
            allow: Some("GET, HEAD, POST"),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "This page cannot be used like that",
                &["Open the link in a web browser."],
            )
        }
    }

    pub(super) fn not_a_form() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "This could not be read",
            &["Open the link in a web browser and send the form from there."],
        )
    }

    pub(super) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "This is too much at once",
            &[
                "The form was too large, or came too slowly. Go back, shorten the lists, and send it again.",
            ],
        )
    }

    /// What a failure is to a person.
    pub(super) fn of(failure: &Failure) -> Self {
        match (failure.reason.as_str(), failure.kind) {
            ("LINK_UNKNOWN", _) => Self::unknown(),
            ("LINK_EXPIRED", _) => Self::new(
                StatusCode::GONE,
                "The time of this link is over",
                &[
                    "Links stop working after a few days, so that an old one in a mailbox opens nothing.",
                    "Ask the person who sent it for a new one. What the request has so far is kept.",
                ],
            ),
            ("ILLEGAL_MOVE", _) => Self::moved_on(),
            ("TOO_MANY_PROOFS", _) => Self::new(
                StatusCode::CONFLICT,
                "No more addresses can be recorded",
                &[
                    "Enough addresses were recorded with this link. Ask the person who sent it for a new one if one is missing.",
                ],
            ),
            ("URI_TOO_LONG", _) => Self::unknown(),
            (_, Kind::Exhausted) => {
                Self::too_often(failure.retry_after.unwrap_or(Duration::from_secs(1)))
            }
            (_, Kind::Unavailable) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "This is not available for the moment",
                &["Nothing was changed. Load the page again in a minute."],
            ),
            _ => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong here",
                &[
                    "It is not your fault. Try again in a few minutes, or tell the person who sent you the link.",
                ],
            ),
        }
    }
}

/// What was sent.
#[derive(Template)]
#[template(path = "link/sent.html")]
pub(super) struct SentPage {
    view: View,
    submitted: bool,
    rows: Vec<(&'static str, Vec<String>)>,
}

impl Page for SentPage {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }

    fn text(&self) -> Result<String, askama::Error> {
        self.render()
    }
}

impl SentPage {
    pub(super) fn new(view: &View, entries: &Entries, submitted: bool) -> Self {
        let rows = [
            ("Source addresses", SOURCES),
            ("Hosted servers", DESTINATIONS),
            ("Ports", SERVICES),
        ];
        Self {
            view: view.clone(),
            submitted,
            rows: rows
                .map(|(label, field)| (label, entries.lines(field).to_vec()))
                .to_vec(),
        }
    }
}

/// What was proved.
#[derive(Template)]
#[template(path = "link/proof.html")]
pub(super) struct ProofPage {
    view: View,
    action: String,
    address: String,
    family: &'static str,
    time: String,
    outcome: &'static str,
    explanation: String,
    other: Option<(&'static str, String)>,
    /// It can be put among the sources through this link.
    usable: bool,
}

impl Page for ProofPage {
    fn status(&self) -> StatusCode {
        StatusCode::OK
    }

    fn text(&self) -> Result<String, askama::Error> {
        self.render()
    }
}

impl ProofPage {
    pub(super) fn new(token: &str, families: &Families, view: &View, proof: &Proof) -> Self {
        Self {
            action: format!("/l/{token}"),
            address: proof.address.clone(),
            family: form::family_name(proof.is_ipv6),
            time: proof.time_in_words.clone(),
            outcome: form::outcome(proof),
            explanation: proof.explanation.clone(),
            other: form::other_family(families, proof.is_ipv6, token),
            usable: view.fills_in && proof.outcome == Outcome::Different,
            view: view.clone(),
        }
    }
}

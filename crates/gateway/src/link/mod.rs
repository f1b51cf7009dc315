//! The pages behind links: small, rendered here, for people who have no key.
//!
//! Role: reads the token from the path, asks intake in the gateway's own name, and renders what comes back. Works
//! without JavaScript and with a keyboard alone; nothing comes from another host.
//! Invariants: opening a page changes nothing (mail scanners open links); only a form's POST does. The token is hashed at
//! once, is in no log line, span, metric or answer but the pages' own forms, and no page is stored, indexed or named in a
//! `Referer`. There are no cookies: the token in the form's address is the credential, so another site has nothing to
//! borrow. Unknown, used and taken back look the same.
//! Failure story: every failure is a page in plain words; what was typed comes back in the form.

mod asked;
mod form;
mod page;
mod reply;

use std::sync::Arc;

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use proto::error::{Failure, Kind};
use service_kit::serve::client_network;

use self::asked::{Asked, DESTINATIONS, Entries, SERVICES, SOURCES};
use self::form::FormPage;
use self::page::{Notice, ProofPage, SentPage};
use crate::address::ClientAddress;
use crate::clients::links::{Entered, Holder, Links, View};
use crate::edge::Edge;
use crate::visits::Families;

/// Largest form that is read, in bytes: what a request may hold, in the spelling of forms.
const MAX_FORM_BYTES: usize = 512 * 1024;

/// Longest token that is looked at, in bytes.
const MAX_TOKEN_BYTES: usize = 100;

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// What a link is for: `/l/{link}`.
    Link,
    /// Where a source is proved: `/l/{link}/source`.
    Source,
    /// How they look.
    Style,
}

impl Place {
    /// The page at `path`, if it is one of these.
    pub(crate) fn of(path: &str) -> Option<Self> {
        if path == reply::STYLE_PATH {
            return Some(Self::Style);
        }
        let rest = path.strip_prefix("/l/")?;
        Some(match rest.split_once('/') {
            Some((_, "source")) => Self::Source,
            _ => Self::Link,
        })
    }

    /// What stands in logs, spans and metrics in place of the path.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Link => "/l/{link}",
            Self::Source => "/l/{link}/source",
            Self::Style => reply::STYLE_PATH,
        }
    }

    /// The token in `path`.
    pub(crate) fn token(self, path: &str) -> Option<&str> {
        let rest = path.strip_prefix("/l/")?;
        let token = match self {
            Self::Link => rest,
            Self::Source => rest.strip_suffix("/source")?,
            Self::Style => return None,
        };
        let is_token = token.len() <= MAX_TOKEN_BYTES
            && token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_token.then_some(token)
    }
}

/// What a form holds, for those who try how it is read.
#[cfg(feature = "seams")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkForm {
    /// Who fills in.
    pub name: String,
    /// The version that the page showed.
    pub version: String,
    /// Names this attempt.
    pub attempt: String,
    /// Sources, destinations and services, as their fields are called, one entry a line.
    pub lists: [(&'static str, Vec<String>); 3],
    /// To be stored, not only looked at.
    pub sends: bool,
}

/// Reads a form as a page does.
#[cfg(feature = "seams")]
pub(crate) fn read_form(body: &[u8]) -> Option<LinkForm> {
    let Asked { entries, sends } = Asked::read(body)?;
    Some(LinkForm {
        lists: [SOURCES, DESTINATIONS, SERVICES]
            .map(|field| (field, entries.lines(field).to_vec())),
        name: entries.name,
        version: entries.version,
        attempt: entries.attempt,
        sends,
    })
}

/// Who opened which link.
struct Visit<'a> {
    edge: &'a Edge,
    token: &'a str,
    holder: Holder,
}

/// Answers a request for a page.
pub(crate) async fn answer(
    edge: &Arc<Edge>,
    place: Place,
    request: Request<Body>,
    client: ClientAddress,
    admitted: Result<(), Failure>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let families = &edge.pages.families;
    if let Err(failure) = admitted {
        return reply::html(families, &Notice::of(&failure));
    }
    if place == Place::Style {
        return reply::style(&parts.method, &parts.headers);
    }
    let Some(token) = place.token(parts.uri.path()) else {
        return reply::html(families, &Notice::unknown());
    };
    let visit = Visit {
        edge,
        token,
        holder: Holder {
            token_sha256: service_kit::random::sha256(token.as_bytes()),
            client: client.address,
        },
    };
    let now = edge.clock.monotonic();
    let allowed = edge
        .pages
        .per_address
        .take(client_network(client.address), now)
        .and_then(|()| edge.pages.per_link.take(visit.holder.token_sha256, now));
    if let Err(after) = allowed {
        return reply::html(families, &Notice::too_often(after));
    }
    match (parts.method.clone(), place) {
        (Method::GET | Method::HEAD, _) => visit.open().await,
        (Method::POST, place) => match visit.read(&parts, body).await {
            Ok(asked) if place == Place::Source => visit.prove(asked).await,
            Ok(asked) => visit.fill_in(asked).await,
            Err(notice) => reply::html(families, &notice),
        },
        _ => reply::html(families, &Notice::wrong_method()),
    }
}

impl Visit<'_> {
    fn links(&self) -> &Links {
        &self.edge.pages.links
    }

    fn families(&self) -> &Families {
        &self.edge.pages.families
    }

    async fn look(&self) -> Result<View, Failure> {
        self.links().look(self.holder).await
    }

    /// The page as it is first seen.
    async fn open(&self) -> Response<Body> {
        match self.look().await {
            Ok(view) if view.fills_in || view.proves_source => {
                let entries = Entries::of(&view);
                self.form(StatusCode::OK, &view, entries, None)
            }
            Ok(_) => reply::html(self.families(), &Notice::moved_on()),
            Err(failure) => self.notice(&failure),
        }
    }

    /// What was sent.
    async fn read(&self, parts: &http::request::Parts, body: Body) -> Result<Asked, Notice> {
        let kind = parts
            .headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Notice::not_a_form());
        }
        let limit = MAX_FORM_BYTES.min(self.edge.max_body_bytes);
        let limited = Limited::new(body, limit).collect();
        let collected = self
            .edge
            .clock
            .timeout(self.edge.request_timeout, limited)
            .await;
        match collected {
            Ok(Ok(body)) => Asked::read(&body.to_bytes()).ok_or_else(Notice::not_a_form),
            _ => Err(Notice::too_large()),
        }
    }

    async fn fill_in(&self, asked: Asked) -> Response<Body> {
        let Asked { entries, sends, .. } = asked;
        // Without a name it is only judged, so that the name and everything else that is wrong is said at once.
        let name_missing = sends && entries.name.trim().is_empty();
        let entered = Entered {
            name: entries.name.clone(),
            sources: entries.lines(SOURCES).to_vec(),
            destinations: entries.lines(DESTINATIONS).to_vec(),
            services: entries.lines(SERVICES).to_vec(),
            check: !sends || name_missing,
            version: entries.version.clone(),
            attempt: entries.attempt.clone(),
        };
        match self.links().fill_in(self.holder, entered).await {
            Ok(answer) => {
                let view = answer.view;
                if answer.accepted {
                    let page = SentPage::new(&view, &entries, answer.submitted);
                    return reply::html(self.families(), &page);
                }
                let problem = name_missing.then_some(form::NAME_MISSING);
                let status = if sends || form::has_error(&answer.remarks) {
                    StatusCode::UNPROCESSABLE_ENTITY
                } else {
                    StatusCode::OK
                };
                let page = FormPage::new(self.token, self.families(), &view, entries)
                    .said(status, &answer.remarks, problem)
                    .looked_at();
                reply::html(self.families(), &page)
            }
            Err(failure) => self.not_filled_in(failure, entries).await,
        }
    }

    /// The form again, with what was typed, where that helps; else a page.
    async fn not_filled_in(&self, failure: Failure, mut entries: Entries) -> Response<Body> {
        match failure.reason.as_str() {
            "ETAG_MISMATCH" => match self.look().await {
                Ok(view) => {
                    entries.version.clone_from(&view.version);
                    let problem = Some(form::CHANGED_MEANWHILE);
                    self.form(StatusCode::CONFLICT, &view, entries, problem)
                }
                Err(failure) => self.notice(&failure),
            },
            "FIELD_INVALID" => match self.look().await {
                Ok(view) => {
                    let refused = form::Refused::of(&failure);
                    let page = FormPage::new(self.token, self.families(), &view, entries)
                        .refused(StatusCode::UNPROCESSABLE_ENTITY, &refused);
                    reply::html(self.families(), &page)
                }
                Err(failure) => self.notice(&failure),
            },
            _ if matches!(
                failure.kind,
                Kind::Unavailable | Kind::Exhausted | Kind::Internal
            ) =>
            {
                let view = View {
                    fills_in: true,
                    ..View::default()
                };
                let problem = Some(form::NOT_NOW);
                self.form(StatusCode::SERVICE_UNAVAILABLE, &view, entries, problem)
            }
            _ => self.notice(&failure),
        }
    }

    async fn prove(&self, asked: Asked) -> Response<Body> {
        match self.links().prove(self.holder, asked.entries.name).await {
            Ok((view, proof)) => {
                let page = ProofPage::new(self.token, self.families(), &view, &proof);
                reply::html(self.families(), &page)
            }
            Err(failure) => self.notice(&failure),
        }
    }

    fn form(
        &self,
        status: StatusCode,
        view: &View,
        entries: Entries,
        problem: Option<form::Trouble>,
    ) -> Response<Body> {
        let page =
            FormPage::new(self.token, self.families(), view, entries).said(status, &[], problem);
        reply::html(self.families(), &page)
    }

    fn notice(&self, failure: &Failure) -> Response<Body> {
        if failure.kind == Kind::Internal || failure.kind == Kind::Unauthenticated {
            tracing::warn!(reason = %failure.reason, "a link's page could not be made");
        }
        reply::html(self.families(), &Notice::of(failure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_by_their_labels_and_tokens_are_strict() {
        let token = format!("prl_{}", "a".repeat(43));
        let cases = [
            (format!("/l/{token}"), Some(Place::Link), true),
            (format!("/l/{token}/source"), Some(Place::Source), true),
            ("/l/".into(), Some(Place::Link), true),
            (format!("/l/{token}/other"), Some(Place::Link), false),
            (format!("/l/{token}/other/source"), Some(Place::Link), false),
            ("/l/a%2fb".into(), Some(Place::Link), false),
            (format!("/l/{}", "a".repeat(101)), Some(Place::Link), false),
            ("/livez".into(), None, false),
        ];
        for (path, place, has_token) in cases {
            let found = Place::of(&path);
            assert_eq!(found, place, "{path}");
            let token = found.and_then(|place| place.token(&path));
            assert_eq!(token.is_some(), has_token, "{path}");
            assert!(found.is_none_or(|place| !place.label().contains("prl_")));
        }
    }
}

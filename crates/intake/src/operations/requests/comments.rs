//! The thread of a request.
//!
//! Role: comments live outside the events (design decision D2), so that personal words can be erased; the event only
//! says that there is one. Internal comments are for those who decide and work, never for the institution.

use domain::{
    access::{Action, Principal},
    case::Case,
    event::{Event, EventType},
    id::{CommentId, InstitutionId},
};
use proto::error::Failure;

use super::{Answered, Call, Intake, RequestRef, resource, teams_of};
use crate::{
    ledger::{Needs, store_failure},
    store::Comment,
};

/// Longest comment, in bytes.
const MAX_COMMENT_BYTES: usize = 10_000;

/// A page of the thread.
pub(crate) struct CommentPage {
    pub(crate) comments: Vec<Comment>,
    pub(crate) next: Option<CommentId>,
}

impl Intake {
    /// Whether the caller may read what is said inside the house about `case`.
    fn is_inside(&self, caller: &Principal, case: &Case) -> bool {
        let teams = teams_of(case);
        self.authz
            .may(caller, Action::RequestReadInternal, &resource(case, &teams))
    }

    /// Adds a comment.
    pub(crate) async fn create_comment(
        &self,
        call: Call,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
        text: String,
        internal: bool,
    ) -> Result<Comment, Failure> {
        let case = self.authorized_case(&call, institution, reference).await?;
        if text.trim().is_empty() || text.len() > MAX_COMMENT_BYTES {
            return Err(Failure::field(
                "text",
                format!("write 1 to {MAX_COMMENT_BYTES} bytes"),
            ));
        }
        if internal && !self.is_inside(&call.caller, &case) {
            return Err(Failure::field(
                "internal",
                "only support and cloud teams write internal comments",
            ));
        }
        let (request, id) = (case.request.id, CommentId(uuid::Uuid::now_v7()));
        let needs = Needs {
            cases: vec![request],
            replays: call.replay.clone().into_iter().collect(),
            ..Needs::default()
        };
        let outcome = self
            .ledger
            .commit(needs, move |work| {
                if let Some(answered) = call.repeated(work)? {
                    return Ok(Err(answered));
                }
                let case = work.case(request).ok_or_else(Failure::internal)?;
                let comment = Comment {
                    id,
                    request,
                    text: text.clone(),
                    author: call.caller.actor(),
                    at: work.now,
                    internal,
                };
                call.keep(work, &Answered::Comment(request, id));
                let event = Event::new(EventType::RequestCommented, &comment.author, work.now);
                // The institution does not learn of what is said inside the house.
                let events = if internal { Vec::new() } else { vec![event] };
                work.put_case(case, &events);
                work.put_comment(comment.clone());
                Ok(Ok(comment))
            })
            .await?;
        match outcome {
            Ok(comment) => Ok(comment),
            Err(Answered::Comment(request, id)) => {
                let before = CommentId(uuid::Uuid::from_u128(id.0.as_u128().saturating_sub(1)));
                let found = self
                    .ledger
                    .store()
                    .comments(request, true, Some(before), 1)
                    .await
                    .map_err(|error| store_failure(&error))?;
                found
                    .into_iter()
                    .find(|comment| comment.id == id)
                    .ok_or_else(Failure::internal)
            }
            Err(_) => Err(Failure::internal()),
        }
    }

    /// A page of the thread, oldest first.
    pub(crate) async fn list_comments(
        &self,
        caller: &Principal,
        institution: Option<&InstitutionId>,
        reference: RequestRef,
        after: Option<CommentId>,
        limit: u32,
    ) -> Result<CommentPage, Failure> {
        self.authz.admit(caller, Action::RequestRead)?;
        let case = self.find_case(caller, institution, reference).await?;
        let mut comments = self
            .ledger
            .store()
            .comments(
                case.request.id,
                self.is_inside(caller, &case),
                after,
                limit.saturating_add(1),
            )
            .await
            .map_err(|error| store_failure(&error))?;
        let more = comments.len() > limit as usize;
        comments.truncate(limit as usize);
        let next = more
            .then(|| comments.last().map(|comment| comment.id))
            .flatten();
        Ok(CommentPage { comments, next })
    }
}

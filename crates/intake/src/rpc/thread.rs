//! The thread and the timeline of a request, at the edge.

use std::str::FromStr;

use domain::access::Action;
use proto::{convert, intake::v1 as wire, types::v1 as types};
use tonic::{Request, Response, Status};

use super::{caller, guard, institution, request_ref, requests::Requests};
use crate::{
    operations::{paging, requests::TimelineLine},
    store::Comment,
};

impl Requests {
    pub(super) async fn comment(
        &self,
        request: Request<wire::CreateCommentRequest>,
    ) -> Result<Response<wire::CreateCommentResponse>, Status> {
        let call = guard(
            &self.0,
            &request,
            "RequestService/CreateComment",
            Action::RequestComment,
            "",
            &request.get_ref().request_id,
        )?;
        let message = request.into_inner();
        let institution = institution(&message.institution)?;
        let reference = request_ref(&message.id)?;
        let comment = self
            .0
            .create_comment(
                call,
                institution.as_ref(),
                reference,
                message.text,
                message.internal,
            )
            .await?;
        Ok(Response::new(wire::CreateCommentResponse {
            comment: Some(comment_to_wire(comment)),
        }))
    }

    pub(super) async fn comments(
        &self,
        request: Request<wire::ListCommentsRequest>,
    ) -> Result<Response<wire::ListCommentsResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let size = paging::size(std::mem::take(&mut message.page_size));
        let token = std::mem::take(&mut message.page_token);
        let bound = paging::binding(&caller.id, &message);
        let after = self.opened(&token, &bound)?;
        let institution = institution(&message.institution)?;
        let page = self
            .0
            .list_comments(
                &caller,
                institution.as_ref(),
                request_ref(&message.id)?,
                after,
                size,
            )
            .await?;
        Ok(Response::new(wire::ListCommentsResponse {
            comments: page.comments.into_iter().map(comment_to_wire).collect(),
            next_page_token: page
                .next
                .map(|id| self.0.pages.seal_text(&id.to_string(), &bound))
                .unwrap_or_default(),
        }))
    }

    /// The place behind which a page begins.
    fn opened<T: FromStr>(
        &self,
        token: &str,
        bound: &paging::Binding,
    ) -> Result<Option<T>, Status> {
        let text = self.0.pages.open_text(token, bound)?;
        text.map(|text| text.parse())
            .transpose()
            .map_err(|_| paging::invalid().into())
    }

    pub(super) async fn timeline(
        &self,
        request: Request<wire::ListTimelineRequest>,
    ) -> Result<Response<wire::ListTimelineResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let size = paging::size(std::mem::take(&mut message.page_size));
        let token = std::mem::take(&mut message.page_token);
        let bound = paging::binding(&caller.id, &message);
        let after = self.opened(&token, &bound)?;
        let institution = institution(&message.institution)?;
        let page = self
            .0
            .timeline(
                &caller,
                institution.as_ref(),
                request_ref(&message.id)?,
                after.unwrap_or(0),
                size,
            )
            .await?;
        Ok(Response::new(wire::ListTimelineResponse {
            entries: page.lines.into_iter().map(line_to_wire).collect(),
            next_page_token: page
                .next
                .map(|sequence| self.0.pages.seal_text(&sequence.to_string(), &bound))
                .unwrap_or_default(),
            next: page.ahead,
        }))
    }
}

pub(super) fn comment_to_wire(comment: Comment) -> types::Comment {
    types::Comment {
        id: comment.id.to_string(),
        text: comment.text,
        author: Some(convert::actor_to_wire(&comment.author)),
        create_time: Some(convert::instant_to_wire(comment.at)),
        internal: comment.internal,
    }
}

fn line_to_wire(line: TimelineLine) -> types::TimelineEntry {
    types::TimelineEntry {
        sequence: line.sequence,
        r#type: line.kind.as_str().to_owned(),
        time: Some(convert::instant_to_wire(line.at)),
        time_in_words: line.in_words,
        actor: Some(convert::actor_to_wire(&line.actor)),
        summary: line.summary,
        grant: line.grant.map(|id| id.to_string()).unwrap_or_default(),
    }
}

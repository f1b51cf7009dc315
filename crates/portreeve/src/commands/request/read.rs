//! What reads many: lists, threads, timelines.
//!
//! Role: reads page after page until the limit, then shows all at once.

use proto::intake::v1 as intake;

use super::{
    super::{Context, asked::read_instant, more},
    ListArgs, Pages,
};
use crate::{
    client::ANY_INSTITUTION,
    out,
    show::{self, Format},
    trouble::Trouble,
};

pub(super) async fn list(context: &Context, args: ListArgs) -> Result<(), Trouble> {
    let instant =
        |name, text: Option<String>| text.map(|text| read_instant(name, &text)).transpose();
    let mut message = intake::ListAccessRequestsRequest {
        institution: args.institution,
        query: args.query.unwrap_or_default(),
        address: args.address.unwrap_or_default(),
        host: args.host.unwrap_or_default(),
        states: args.states.into_iter().map(i32::from).collect(),
        queue: args.queue.unwrap_or_default(),
        product: args.product.unwrap_or_default(),
        mine: args.mine,
        unassigned: args.unassigned,
        emergency_only: args.emergency,
        break_glass_only: args.break_glass,
        review_owed_only: args.review_owed,
        created_after: instant("--created-after", args.created_after)?,
        created_before: instant("--created-before", args.created_before)?,
        order: if args.queue_order {
            intake::WorkOrder::Queue
        } else {
            intake::WorkOrder::Newest
        }
        .into(),
        ..intake::ListAccessRequestsRequest::default()
    };
    let mut found = Vec::new();
    while let Some(page_size) = args.page.next_size(found.len()) {
        message.page_size = page_size;
        let answer = context
            .session
            .requests()
            .list_access_requests(message.clone())
            .await?
            .into_inner();
        found.extend(answer.access_requests);
        message.page_token = answer.next_page_token;
        if message.page_token.is_empty() {
            break;
        }
    }
    show::many(context.format, &found, context.now())?;
    more(&message.page_token);
    Ok(())
}

pub(super) async fn comments(context: &Context, pages: &Pages) -> Result<(), Trouble> {
    let mut message = intake::ListCommentsRequest {
        institution: ANY_INSTITUTION.into(),
        id: pages.id.clone(),
        ..intake::ListCommentsRequest::default()
    };
    let mut found = Vec::new();
    while let Some(page_size) = pages.page.next_size(found.len()) {
        message.page_size = page_size;
        let answer = context
            .session
            .requests()
            .list_comments(message.clone())
            .await?
            .into_inner();
        found.extend(answer.comments);
        message.page_token = answer.next_page_token;
        if message.page_token.is_empty() {
            break;
        }
    }
    show::many(context.format, &found, context.now())?;
    more(&message.page_token);
    Ok(())
}

pub(super) async fn timeline(context: &Context, pages: &Pages) -> Result<(), Trouble> {
    let mut message = intake::ListTimelineRequest {
        institution: ANY_INSTITUTION.into(),
        id: pages.id.clone(),
        ..intake::ListTimelineRequest::default()
    };
    let (mut found, mut next) = (Vec::new(), String::new());
    while let Some(page_size) = pages.page.next_size(found.len()) {
        message.page_size = page_size;
        let answer = context
            .session
            .requests()
            .list_timeline(message.clone())
            .await?
            .into_inner();
        found.extend(answer.entries);
        next = answer.next;
        message.page_token = answer.next_page_token;
        if message.page_token.is_empty() {
            break;
        }
    }
    show::many(context.format, &found, context.now())?;
    if context.format == Format::Table && !next.is_empty() {
        out::data(format!("next: {}", out::clean(&next)))?;
    }
    more(&message.page_token);
    Ok(())
}

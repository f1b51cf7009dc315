//! The clauses of lists: what a filter, a reader's visibility and a page's beginning mean in SQL.
//!
//! Role: adds `and …` clauses to a statement that ends in `where true`; generic over the database through [`Clauses`],
//! because both understand the same SQL here. Values are bound, never written into the text.
//! Invariants: I5 (visibility is part of the statement, so nothing invisible is ever read); pages are keyset pages, so
//! a page stays what it was while rows come and go; limits are literals, so that a planner knows how few rows are wanted.
//! Failure story: none; building text cannot fail.

mod events;
mod paging;

use domain::{
    access::{Places, Visibility},
    grant::Grant,
    id::{InstitutionId, ProductId, TeamId},
    request::Request,
};
use sqlx::{Postgres, QueryBuilder, Sqlite};
use uuid::Uuid;

use super::{GrantFilter, PageKey, RequestFilter};

pub(super) use self::{
    events::{Walk, events, is_selective, openings, walk},
    paging::Paging,
};

/// Rows of a list at most.
pub(super) const PAGE_AT_MOST: u32 = 5_000;

/// Rows that one call looks at for a filter which SQL cannot judge.
pub(super) const LOOKED_AT_AT_MOST: u32 = 5_000;

/// Positions looked at for each event asked for.
pub(super) const POSITIONS_PER_EVENT: u64 = 20;

/// A statement in the making.
pub(super) trait Clauses {
    /// Adds text of our own.
    fn sql(&mut self, text: &str);
    /// Binds a text.
    fn text(&mut self, value: &str);
    /// Binds a number.
    fn number(&mut self, value: i64);
    /// Binds an id.
    fn uuid(&mut self, value: Uuid);
    /// The function that finds a text in another.
    fn position_of(&self) -> &'static str;
    /// ` and` the details, which are bytes, hold this text.
    fn details_name(&mut self, text: &str);
}

macro_rules! clauses {
    ($database:ty, $position_of:literal, $found_in_details:literal) => {
        impl Clauses for QueryBuilder<$database> {
            fn sql(&mut self, text: &str) {
                self.push(text);
            }
            fn text(&mut self, value: &str) {
                // No stored text holds a NUL, and PostgreSQL takes none.
                self.push_bind(value.replace('\0', "\u{fffd}"));
            }
            fn number(&mut self, value: i64) {
                self.push_bind(value);
            }
            fn uuid(&mut self, value: Uuid) {
                self.push_bind(value);
            }
            fn position_of(&self) -> &'static str {
                $position_of
            }
            fn details_name(&mut self, text: &str) {
                self.push($found_in_details);
                self.push_bind(text.as_bytes().to_vec());
                self.push(") > 0");
            }
        }
    };
}

clauses!(Sqlite, "instr", " and instr(details, ");
clauses!(Postgres, "strpos", " and pg_catalog.\"position\"(details, ");

/// ` and column in (…)`; nothing for an empty list.
fn any_of<'a>(query: &mut impl Clauses, column: &str, values: impl IntoIterator<Item = &'a str>) {
    if list(query, " and ", column, values) {
        query.sql(")");
    }
}

/// `before column in (a, b` without the closing bracket; says whether there was anything.
fn list<'a>(
    query: &mut impl Clauses,
    before: &str,
    column: &str,
    values: impl IntoIterator<Item = &'a str>,
) -> bool {
    let mut empty = true;
    for value in values {
        if empty {
            query.sql(before);
            query.sql(column);
            query.sql(" in (");
        } else {
            query.sql(", ");
        }
        empty = false;
        query.text(value);
    }
    !empty
}

/// ` and column in ('a', 'b')` with words of our own, written out so that partial indexes can be used.
fn any_word(query: &mut impl Clauses, column: &str, words: impl IntoIterator<Item = &'static str>) {
    let words: Vec<_> = words.into_iter().map(|word| format!("'{word}'")).collect();
    if !words.is_empty() {
        query.sql(&format!(" and {column} in ({})", words.join(", ")));
    }
}

fn equal(query: &mut impl Clauses, column: &str, value: Option<&str>) {
    if let Some(value) = value {
        query.sql(&format!(" and {column} = "));
        query.text(value);
    }
}

fn compare(query: &mut impl Clauses, comparison: &str, value: Option<i64>) {
    if let Some(value) = value {
        query.sql(&format!(" and {comparison} "));
        query.number(value);
    }
}

/// What a kind of row offers to a reader's visibility.
struct Shown<'a> {
    institution: Option<&'a str>,
    product: Option<&'a str>,
    /// Columns or conditions that hold teams, each complete up to `in (`, with what closes it.
    teams: &'a [(&'a str, &'a str)],
}

fn visible(query: &mut impl Clauses, visible: &Visibility, shown: &Shown<'_>) {
    const LIES_IN: (&str, &str) = (" or ", ")");
    // Never null, as an absent product makes of it: the negation of null is not true either. The indexes are for what is
    // reached, so that alone stays as it is.
    const MAY_LIE_IN: (&str, &str) = (" or coalesce(", "), false)");
    if !visible.all {
        query.sql(" and ");
        in_places(query, &visible.reached, shown, LIES_IN);
    }
    for within in &visible.within {
        query.sql(" and ");
        in_places(query, within, shown, LIES_IN);
    }
    if !visible.except.is_empty() {
        query.sql(" and not ");
        in_places(query, &visible.except, shown, MAY_LIE_IN);
    }
}

/// Whether a row lies in one of the places.
fn in_places(
    query: &mut impl Clauses,
    places: &Places,
    shown: &Shown<'_>,
    (before, end): (&str, &str),
) {
    query.sql("(false");
    let institutions = places.institutions.iter().map(InstitutionId::as_str);
    if let Some(column) = shown.institution
        && list(query, before, column, institutions)
    {
        query.sql(end);
    }
    let products = places.products.iter().map(ProductId::as_str);
    if let Some(column) = shown.product
        && list(query, before, column, products)
    {
        query.sql(end);
    }
    for (condition, close) in shown.teams {
        let teams = places.teams.iter().map(TeamId::as_str);
        // The whole condition is closed before it is kept from being null.
        let (first, rest) = end.split_at(1);
        if list(query, before, condition, teams) {
            query.sql(first);
            query.sql(close);
            query.sql(rest);
        }
    }
    query.sql(")");
}

/// Orders newest first, or by `queue`: expressions without nulls, all ascending, before the id.
fn page(
    query: &mut impl Clauses,
    table: &str,
    queue: Option<&[&str]>,
    after: Option<&PageKey>,
    limit: u32,
) {
    let queue = queue.unwrap_or_default();
    let order: String = queue
        .iter()
        .map(|expression| format!("{expression}, "))
        .collect();
    let (direction, than) = if queue.is_empty() {
        ("desc", "<")
    } else {
        ("asc", ">")
    };
    if let Some(key) = after {
        query.sql(&format!(" and ({order}{table}.id) {than} ("));
        for index in 0..queue.len() {
            query.number(key.values.get(index).copied().unwrap_or(i64::MIN));
            query.sql(", ");
        }
        query.uuid(key.id);
        query.sql(")");
    }
    query.sql(&format!(
        " order by {order}{table}.id {direction} limit {limit}"
    ));
}

/// A page of requests.
pub(super) fn requests(
    query: &mut impl Clauses,
    filter: &RequestFilter,
    sees: &Visibility,
    after: Option<&PageKey>,
    limit: u32,
) {
    equal(
        query,
        "requests.institution",
        filter.institution.as_ref().map(InstitutionId::as_str),
    );
    equal(
        query,
        "requests.queue",
        filter.queue.as_ref().map(TeamId::as_str),
    );
    equal(
        query,
        "requests.product",
        filter.product.as_ref().map(ProductId::as_str),
    );
    equal(query, "requests.assignee_id", filter.assignee.as_deref());
    if filter.unassigned {
        query.sql(" and requests.assignee_id is null");
    }
    if filter.emergency_only {
        query.sql(" and requests.emergency");
    }
    if filter.break_glass_only {
        query.sql(" and requests.break_glass");
    }
    if filter.review_owed_only {
        query.sql(" and requests.review_owed");
    }
    any_word(
        query,
        "requests.state",
        filter.states.iter().map(|state| state.as_str()),
    );
    compare(
        query,
        "requests.created_at_us >=",
        filter.created_after.map(|at| at.micros()),
    );
    compare(
        query,
        "requests.created_at_us <",
        filter.created_before.map(|at| at.micros()),
    );
    contains(
        query,
        "requests.search_text",
        filter.text.as_ref().map(|text| text.to_lowercase()),
    );
    contains(
        query,
        "requests.destinations",
        filter.host.as_ref().map(|host| format!("\n{host}\n")),
    );
    let grants_of =
        "exists (select 1 from grants where grants.request_id = requests.id and grants.cloud_team";
    visible(
        query,
        sees,
        &Shown {
            institution: Some("requests.institution"),
            product: Some("requests.product"),
            teams: &[("requests.queue", ""), (grants_of, ")")],
        },
    );
    let queue = [
        "case when requests.break_glass and requests.review_owed then 0 when requests.emergency then 1 else 2 end",
        "coalesce(requests.promised_by_us, 9223372036854775807)",
    ];
    page(
        query,
        "requests",
        filter.queue_order.then_some(&queue),
        after,
        limit,
    );
}

fn contains(query: &mut impl Clauses, column: &str, text: Option<String>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        let position_of = query.position_of();
        query.sql(&format!(" and {position_of}({column}, "));
        query.text(&text);
        query.sql(") > 0");
    }
}

/// The place in a queue: opened and not reviewed, another emergency, the rest.
fn urgency(request: &Request) -> i64 {
    if request.break_glass.is_some() && request.review_owed {
        0
    } else {
        2 - i64::from(request.asked.emergency)
    }
}

/// Where the page after `request` begins.
pub(super) fn after_request(request: &Request, queue_order: bool) -> PageKey {
    let values = if queue_order {
        vec![
            urgency(request),
            request.promised_by.map_or(i64::MAX, |at| at.micros()),
        ]
    } else {
        Vec::new()
    };
    PageKey {
        values,
        id: request.id.0,
    }
}

/// A page of grants.
pub(super) fn grants(
    query: &mut impl Clauses,
    filter: &GrantFilter,
    sees: &Visibility,
    after: Option<&PageKey>,
    limit: u32,
) {
    equal(
        query,
        "grants.institution",
        filter.institution.as_ref().map(InstitutionId::as_str),
    );
    equal(
        query,
        "grants.cloud_team",
        filter.cloud_team.as_ref().map(TeamId::as_str),
    );
    equal(
        query,
        "grants.product",
        filter.product.as_ref().map(ProductId::as_str),
    );
    equal(query, "grants.assignee_id", filter.assignee.as_deref());
    equal(query, "grants.destination", filter.host.as_deref());
    if let Some(request) = filter.request {
        query.sql(" and grants.request_id = ");
        query.uuid(request.0);
    }
    if filter.break_glass_only {
        query.sql(" and grants.break_glass");
    }
    if filter.unassigned {
        query.sql(" and grants.assignee_id is null");
    }
    any_word(
        query,
        "grants.state",
        filter.states.iter().map(|state| state.as_str()),
    );
    if let Some(at) = filter.live_at {
        query.sql(" and grants.state = 'active' and (grants.expires_at_us is null or grants.expires_at_us > ");
        query.number(at.micros());
        query.sql(")");
    }
    compare(
        query,
        "grants.expires_at_us <",
        filter.expires_before.map(|at| at.micros()),
    );
    let queue_of =
        "exists (select 1 from requests where requests.id = grants.request_id and requests.queue";
    visible(
        query,
        sees,
        &Shown {
            institution: Some("grants.institution"),
            product: Some("grants.product"),
            teams: &[("grants.cloud_team", ""), (queue_of, ")")],
        },
    );
    let queue = [
        "case when grants.emergency then 0 else 1 end",
        "grants.hand_over_at_us",
    ];
    page(
        query,
        "grants",
        filter.queue_order.then_some(&queue),
        after,
        limit,
    );
}

/// Where the page after `grant` begins.
pub(super) fn after_grant(grant: &Grant, queue_order: bool) -> PageKey {
    let values = if queue_order {
        vec![i64::from(!grant.emergency), grant.hand_over_at.micros()]
    } else {
        Vec::new()
    };
    PageKey {
        values,
        id: grant.id.0,
    }
}

/// Institutions after `after` by id.
pub(super) fn institutions(
    query: &mut impl Clauses,
    sees: &Visibility,
    after: Option<&str>,
    limit: u32,
) {
    let shown = Shown {
        institution: Some("id"),
        product: None,
        teams: &[],
    };
    visible(query, sees, &shown);
    by_id(query, after, limit);
}

/// Products after `after` by id.
pub(super) fn products(
    query: &mut impl Clauses,
    sees: &Visibility,
    after: Option<&str>,
    limit: u32,
) {
    let shown = Shown {
        institution: None,
        product: Some("id"),
        teams: &[],
    };
    visible(query, sees, &shown);
    by_id(query, after, limit);
}

fn by_id(query: &mut impl Clauses, after: Option<&str>, limit: u32) {
    query.sql(" and id > ");
    query.text(after.unwrap_or_default());
    query.sql(&format!(" order by id limit {limit}"));
}

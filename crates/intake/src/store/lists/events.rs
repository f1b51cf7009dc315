//! The clauses of a page of events, and along which index it is looked for.
//!
//! Role: as [`super`], for the log. Failure story: none.

use domain::{
    access::Visibility,
    event::EventType,
    id::{InstitutionId, ProductId, TeamId},
    net::Destination,
};

use super::{Clauses, Shown, any_of, any_word, compare, equal, visible};
use crate::store::EventFilter;

/// Where a reader's institutions, products and teams stand in an event.
const SHOWN: Shown<'static> = Shown {
    institution: Some("institution"),
    product: Some("product"),
    teams: &[("team", "")],
};

/// How a page of events is looked for.
pub(in crate::store) enum Walk<'a> {
    /// Along the log.
    Log,
    /// Along the log of one institution.
    Institution(&'a InstitutionId),
    /// Along one subject: its sequences rise with the positions.
    Subject(&'a str),
}

/// The shortest walk for the filter and the reader.
pub(in crate::store) fn walk<'a>(filter: &'a EventFilter, sees: &'a Visibility) -> Walk<'a> {
    if let Some(subject) = &filter.subject {
        return Walk::Subject(subject);
    }
    let reached = &sees.reached;
    let alone = !sees.all && reached.products.is_empty() && reached.teams.is_empty();
    match (
        filter.institutions.as_slice(),
        reached.institutions.as_slice(),
    ) {
        ([one], _) => Walk::Institution(one),
        ([], [one]) if alone => Walk::Institution(one),
        _ => Walk::Log,
    }
}

/// Whether the walk meets events that are not shown: then the look has to be bounded.
pub(in crate::store) fn is_selective(filter: &EventFilter, sees: &Visibility) -> bool {
    let all_on_the_way = match walk(filter, sees) {
        Walk::Log => sees.is_everything() && filter.institutions.is_empty(),
        Walk::Institution(one) => {
            sees.is_whole() && (sees.all || sees.reached.institutions.contains(one))
        }
        Walk::Subject(_) => false,
    };
    !all_on_the_way
        || !filter.types.is_empty()
        || !filter.products.is_empty()
        || !filter.teams.is_empty()
        || filter.emergency_only
}

/// Events after `after` up to `until`, in position order.
pub(in crate::store) fn events(
    query: &mut impl Clauses,
    (after, until): (u64, u64),
    filter: &EventFilter,
    sees: &Visibility,
    limit: u32,
) {
    let walk = walk(filter, sees);
    let order = match walk {
        Walk::Log => "position",
        Walk::Institution(institution) => {
            equal(query, "institution", Some(institution.as_str()));
            "position"
        }
        Walk::Subject(subject) => {
            equal(query, "subject", Some(subject));
            "sequence"
        }
    };
    compare(query, "position >", i64::try_from(after).ok());
    compare(query, "position <=", i64::try_from(until).ok());
    any_of(
        query,
        "institution",
        filter.institutions.iter().map(InstitutionId::as_str),
    );
    any_of(
        query,
        "product",
        filter.products.iter().map(ProductId::as_str),
    );
    any_of(query, "team", filter.teams.iter().map(TeamId::as_str));
    if filter.emergency_only {
        query.sql(" and emergency");
    }
    types(query, &filter.types);
    visible(query, sees, &SHOWN);
    query.sql(&format!(" order by {order} limit {limit}"));
}

/// Events after `after` that may say what a grant opens, in position order. The name of the destination in the details is
/// a coarse sieve: what is found is judged exactly by the domain.
pub(in crate::store) fn openings(
    query: &mut impl Clauses,
    after: u64,
    destination: Option<&Destination>,
    sees: &Visibility,
    limit: u32,
) {
    // Written out, so that the partial index of these types is used.
    any_word(
        query,
        "type",
        [
            EventType::GrantScheduled,
            EventType::GrantHandedOver,
            EventType::GrantImported,
        ]
        .map(EventType::as_str),
    );
    compare(query, "position >", i64::try_from(after).ok());
    if let Some(destination) = destination {
        query.details_name(&format!("\"{destination}\""));
    }
    visible(query, sees, &SHOWN);
    query.sql(&format!(" order by position limit {limit}"));
}

fn types(query: &mut impl Clauses, types: &[String]) {
    if types.is_empty() {
        return;
    }
    query.sql(" and (false");
    for kind in types {
        match kind.strip_suffix('*') {
            Some(prefix) => {
                query.sql(&format!(
                    " or substr(type, 1, {}) = ",
                    prefix.chars().count()
                ));
                query.text(prefix);
            }
            None => {
                query.sql(" or type = ");
                query.text(kind);
            }
        }
    }
    query.sql(")");
}

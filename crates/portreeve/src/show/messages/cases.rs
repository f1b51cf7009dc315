//! Requests and grants, and what belongs to them.
//!
//! Role: see [`super`].

use jiff::Timestamp;
use proto::{
    intake::v1::ImportOutcome,
    types::v1::{
        AccessRequest, Asked, Closing, Comment, Contact, Direction, EndReason, Grant, GrantState,
        RequestState, SourceProof, TimelineEntry, WaitingOn,
    },
};

use super::{
    super::{Shown, enum_word, list, when},
    actor, eyes, yes,
};

/// The state of a request, in words.
fn request_state(state: RequestState) -> String {
    enum_word("REQUEST_STATE_", state.as_str_name())
}

/// The state of a grant, in words.
fn grant_state(state: GrantState) -> String {
    enum_word("GRANT_STATE_", state.as_str_name())
}

fn waiting(waiting: WaitingOn) -> String {
    enum_word("WAITING_ON_", waiting.as_str_name())
}

/// What the caller may do, as the commands that do it.
fn verbs(actions: &[String]) -> String {
    let verb = |action: &String| match action.as_str() {
        "request_information" => "ask".to_owned(),
        action => action.replace('_', "-"),
    };
    list(&actions.iter().map(verb).collect::<Vec<_>>())
}

fn contact(contact: Option<&Contact>) -> String {
    let Some(contact) = contact else {
        return String::new();
    };
    let parts = [&contact.name, &contact.email, &contact.phone];
    let parts: Vec<&str> = parts
        .into_iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(", ")
}

fn product(asked: &Asked) -> String {
    if asked.cross_product {
        "cross-product".into()
    } else {
        asked.product.clone()
    }
}

/// Where people proved to come from, one a line.
fn proofs(proofs: &[SourceProof]) -> String {
    let lines: Vec<String> = proofs
        .iter()
        .map(|proof| {
            format!(
                "{} {}, {}, {}",
                proof.address,
                enum_word("PROOF_OUTCOME_", proof.outcome().as_str_name()),
                proof.time_in_words,
                actor(proof.actor.as_ref())
            )
        })
        .collect();
    lines.join("\n")
}

impl Shown for AccessRequest {
    const TYPE: &'static str = "portreeve.type.v1.AccessRequest";
    const HEADS: &'static [&'static str] = &[
        "number",
        "state",
        "institution",
        "product",
        "destinations",
        "waiting on",
        "taken by",
        "promised by",
        "flags",
    ];

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let asked = self.asked.clone().unwrap_or_default();
        let flags = [
            yes(asked.emergency, "EMERGENCY"),
            yes(self.break_glass.is_some(), "OPENED BEFORE REVIEW"),
            yes(self.review_owed, "review owed"),
            yes(self.approvals_needed > 1, "two approvals"),
            yes(self.imported, "imported"),
        ];
        let flags: Vec<String> = flags.into_iter().filter(|flag| !flag.is_empty()).collect();
        vec![
            self.number.clone(),
            request_state(self.state()),
            self.institution.clone(),
            product(&asked),
            list(&asked.destinations),
            waiting(self.waiting_on()),
            actor(self.assignee.as_ref()),
            when(self.promised_by_time.as_ref(), now),
            list(&flags),
        ]
    }

    fn lines(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let asked = self.asked.clone().unwrap_or_default();
        let reading = self.reading.clone().unwrap_or_default();
        let sources: Vec<String> = reading
            .sources
            .iter()
            .map(|source| match source.label.as_str() {
                "" => list(&source.networks),
                label => format!("{} # {label}", list(&source.networks)),
            })
            .collect();
        let destinations: Vec<String> = reading
            .destinations
            .iter()
            .map(|destination| {
                let server = match destination.server.as_str() {
                    "" => String::new(),
                    server => format!(" = server {server}"),
                };
                // Empty: the product's team, which approval will name.
                let team = match destination.cloud_team.as_str() {
                    "" => String::new(),
                    team => format!(" (team {team})"),
                };
                let addresses = match destination.addresses.as_slice() {
                    [] => String::new(),
                    addresses => format!(" = {}", list(addresses)),
                };
                format!("{}{addresses}{server}{team}", destination.destination)
            })
            .collect();
        let lines_of = |read: Vec<String>, asked: &[String]| {
            if read.is_empty() {
                asked.join("\n")
            } else {
                read.join("\n")
            }
        };
        let question = self.questions.last();
        let decision = self.decision.as_ref().map_or_else(String::new, |decision| {
            let word = if decision.approved {
                "approved"
            } else {
                "rejected"
            };
            format!(
                "{word} by {} {}\n{}",
                actor(decision.decided_by.as_ref()),
                when(decision.decide_time.as_ref(), now),
                decision.note
            )
        });
        vec![
            ("number", self.number.clone()),
            ("id", self.id.clone()),
            ("state", request_state(self.state())),
            ("next step", self.next_step.clone()),
            ("waiting on", waiting(self.waiting_on())),
            ("institution", self.institution.clone()),
            (
                "direction",
                enum_word(
                    "DIRECTION_",
                    Direction::try_from(asked.direction)
                        .unwrap_or_default()
                        .as_str_name(),
                ),
            ),
            ("product", product(&asked)),
            ("sources", lines_of(sources, &asked.sources)),
            ("destinations", lines_of(destinations, &asked.destinations)),
            ("services", lines_of(reading.services, &asked.services)),
            ("how long", reading.validity_in_words),
            (
                "emergency",
                yes(asked.emergency, &format!("yes: {}", asked.emergency_reason)),
            ),
            ("justification", asked.justification),
            ("contact", contact(asked.contact.as_ref())),
            ("case", asked.case_reference),
            ("asked by", actor(self.requester.as_ref())),
            ("queue", self.queue.clone()),
            ("taken by", actor(self.assignee.as_ref())),
            ("promised by", self.promised_by_in_words.clone()),
            (
                "question",
                question.map_or_else(String::new, |question| question.text.clone()),
            ),
            (
                "about",
                question.map_or_else(String::new, |question| list(&question.fields)),
            ),
            (
                "answer",
                question.map_or_else(String::new, |question| question.answer.clone()),
            ),
            ("decision", decision.trim_end().to_owned()),
            ("approvals", eyes::approvals(self, now)),
            ("opened before review", eyes::broken(self, now)),
            ("review", eyes::review(self, now)),
            ("proved from", proofs(&self.source_proofs)),
            ("grants", self.grants.join("\n")),
            ("created", when(self.create_time.as_ref(), now)),
            ("changed", when(self.update_time.as_ref(), now)),
            ("you may", verbs(&self.allowed_actions)),
            ("version", self.etag.clone()),
        ]
    }
}

impl Shown for Grant {
    const TYPE: &'static str = "portreeve.type.v1.Grant";
    const HEADS: &'static [&'static str] = &[
        "grant",
        "number",
        "state",
        "live",
        "sources",
        "destination",
        "services",
        "team",
        "taken by",
        "end",
        "flags",
    ];

    fn cells(&self, _now: Timestamp) -> Vec<String> {
        vec![
            self.id.clone(),
            self.number.clone(),
            grant_state(self.state()),
            yes(self.live, "live"),
            list(&self.sources),
            self.destination.clone(),
            list(&self.services),
            self.cloud_team.clone(),
            actor(self.assignee.as_ref()),
            self.expires_in_words.clone(),
            list(&eyes::flags(self)),
        ]
    }

    fn lines(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let wish = self
            .pending_extension
            .as_ref()
            .map_or_else(String::new, |wish| {
                format!(
                    "{} asked by {}: {}",
                    when(wish.until_time.as_ref(), now),
                    actor(wish.asked_by.as_ref()),
                    wish.reason
                )
            });
        vec![
            ("grant", self.id.clone()),
            ("request", self.number.clone()),
            ("state", grant_state(self.state())),
            ("live", if self.live { "yes".into() } else { "no".into() }),
            ("next step", self.next_step.clone()),
            ("waiting on", waiting(self.waiting_on())),
            ("institution", self.institution.clone()),
            ("product", self.product.clone()),
            ("sources", self.sources.join("\n")),
            ("destination", self.destination.clone()),
            ("addresses", list(&self.addresses)),
            ("server", self.server.clone()),
            ("services", list(&self.services)),
            ("end", self.expires_in_words.clone()),
            ("handed over", when(self.hand_over_time.as_ref(), now)),
            ("open since", when(self.effective_time.as_ref(), now)),
            ("expires", when(self.expire_time.as_ref(), now)),
            ("ending since", when(self.ending_time.as_ref(), now)),
            ("closed", when(self.end_time.as_ref(), now)),
            (
                "why it ends",
                enum_word(
                    "END_REASON_",
                    EndReason::try_from(self.end_reason)
                        .unwrap_or_default()
                        .as_str_name(),
                ),
            ),
            ("note", self.note.clone()),
            ("extension", wish),
            (
                "closes by",
                enum_word(
                    "CLOSING_",
                    Closing::try_from(self.closing)
                        .unwrap_or_default()
                        .as_str_name(),
                ),
            ),
            ("team", self.cloud_team.clone()),
            ("taken by", actor(self.assignee.as_ref())),
            ("emergency", list(&eyes::flags(self))),
            ("you may", verbs(&self.allowed_actions)),
            ("version", self.etag.clone()),
        ]
    }
}

impl Shown for Comment {
    const TYPE: &'static str = "portreeve.type.v1.Comment";
    const HEADS: &'static [&'static str] = &["when", "who", "seen by", "text"];

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            when(self.create_time.as_ref(), now),
            actor(self.author.as_ref()),
            yes(self.internal, "the teams alone"),
            self.text.clone(),
        ]
    }
}

impl Shown for TimelineEntry {
    const TYPE: &'static str = "portreeve.type.v1.TimelineEntry";
    const HEADS: &'static [&'static str] = &["no.", "when", "who", "what", "grant"];

    fn cells(&self, _now: Timestamp) -> Vec<String> {
        vec![
            self.sequence.to_string(),
            self.time_in_words.clone(),
            actor(self.actor.as_ref()),
            self.summary.clone(),
            self.grant.clone(),
        ]
    }
}

impl Shown for ImportOutcome {
    const TYPE: &'static str = "portreeve.intake.v1.ImportOutcome";
    const HEADS: &'static [&'static str] = &["row", "outcome", "number", "reason"];

    fn cells(&self, _now: Timestamp) -> Vec<String> {
        let outcome = match (self.imported, self.already_there) {
            (true, _) => "imported",
            (_, true) => "was there already",
            _ => "REFUSED",
        };
        vec![
            self.external_id.clone(),
            outcome.into(),
            self.number.clone(),
            self.reason.clone(),
        ]
    }
}

//! Heads of the history, and what was open.
//!
//! Role: see [`super`].

use jiff::Timestamp;
use proto::{
    intake::v1::{AccessTrace, HistoryHead},
    types::v1::EndReason,
};

use super::{
    super::{Shown, enum_word, list, when},
    actor,
};

impl Shown for HistoryHead {
    const TYPE: &'static str = "portreeve.intake.v1.HistoryHead";
    const HEADS: &'static [&'static str] = &["events", "root", "sealed"];

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.tree_size.to_string(),
            self.root_hash.clone(),
            when(self.seal_time.as_ref(), now),
        ]
    }
}

/// How it stood at the instant that was asked about.
fn stood(trace: &AccessTrace) -> &'static str {
    match (trace.open, trace.closing) {
        (true, _) => "open",
        (false, true) => "closing, not confirmed",
        (false, false) => "closed",
    }
}

/// Who let it in: in an emergency before anybody approved, that is said.
fn approved(trace: &AccessTrace) -> String {
    let approved = actor(trace.approved_by.as_ref());
    let activated = actor(trace.activated_by.as_ref());
    let reviewed = actor(trace.reviewed_by.as_ref());
    match (activated.as_str(), reviewed.as_str()) {
        ("", _) => approved,
        (_, "") => format!("EMERGENCY by {activated}, not reviewed"),
        _ => format!("EMERGENCY by {activated}, reviewed by {reviewed}"),
    }
}

impl Shown for AccessTrace {
    const TYPE: &'static str = "portreeve.intake.v1.AccessTrace";
    const HEADS: &'static [&'static str] = &[
        "then",
        "request",
        "institution",
        "from",
        "to",
        "services",
        "open since",
        "until",
        "asked by",
        "approved by",
        "opened by",
    ];

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let until = match &self.expire_time {
            Some(time) => when(Some(time), now),
            None => "permanent".to_owned(),
        };
        vec![
            stood(self).to_owned(),
            self.number.clone(),
            self.institution.clone(),
            list(&self.sources),
            self.destination.clone(),
            list(&self.services),
            when(self.effective_time.as_ref(), now),
            until,
            actor(self.asked_by.as_ref()),
            approved(self),
            actor(self.opened_by.as_ref()),
        ]
    }

    fn lines(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let mut lines: Vec<_> = Self::HEADS.iter().copied().zip(self.cells(now)).collect();
        let ended = self.end_reason != i32::from(EndReason::Unspecified);
        let mut more = |head, text: String| {
            if !text.is_empty() {
                lines.push((head, text));
            }
        };
        more("addresses", list(&self.addresses));
        more("approved", when(self.approve_time.as_ref(), now));
        let activated = actor(self.activated_by.as_ref());
        if !activated.is_empty() {
            let time = when(self.activate_time.as_ref(), now);
            more(
                "EMERGENCY",
                format!("activated by {activated} before review, {time}"),
            );
        }
        let reviewer = actor(self.reviewed_by.as_ref());
        if !reviewer.is_empty() {
            let word = if self.review_confirmed {
                "confirmed"
            } else {
                "rejected"
            };
            let time = when(self.review_time.as_ref(), now);
            more("reviewed", format!("{word} by {reviewer}, {time}"));
        }
        more("review missed", when(self.review_missed_time.as_ref(), now));
        more("end decided", when(self.ending_time.as_ref(), now));
        more("closure confirmed", when(self.end_time.as_ref(), now));
        if ended {
            more(
                "why it ended",
                enum_word("END_REASON_", self.end_reason().as_str_name()),
            );
        }
        if self.imported {
            more("recorded", "as open already, on day one".to_owned());
        }
        more("grant", self.grant.clone());
        lines
    }
}

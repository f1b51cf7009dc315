//! Roles and permissions: the words.
//!
//! Role: the vocabulary of [`crate::access`]. Which role may do which action is said by the policies of the crate `authz`,
//! and nowhere else. The protos name these actions in `operation.action`, the schema of the policies names the same.
//! Failure story: an unknown word is refused with the words that exist.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Asks for access on behalf of an institution.
    Requester,
    /// Fills in the technical part of a request.
    Delegate,
    /// Reviews and decides.
    Analyst,
    /// Opens and closes the firewall.
    Cloud,
    /// Approves the vendor's access to an institution's own server.
    InstitutionApprover,
    /// Reads, changes nothing.
    Auditor,
    /// Keeps the catalogue and the keys; may act in every place of people, four eyes included.
    Administrator,
    /// A service acting for itself.
    Service,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 8] = [
        Self::Requester,
        Self::Delegate,
        Self::Analyst,
        Self::Cloud,
        Self::InstitutionApprover,
        Self::Auditor,
        Self::Administrator,
        Self::Service,
    ];

    /// As written in files and commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requester => "requester",
            Self::Delegate => "delegate",
            Self::Analyst => "analyst",
            Self::Cloud => "cloud",
            Self::InstitutionApprover => "institution_approver",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
            Self::Service => "service",
        }
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| {
                format!(
                    "'{text}' is no role; write one of {}",
                    Self::ALL.map(Self::as_str).join(", ")
                )
            })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// A permission, as named in the protos' `operation.action`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Action {$($(#[$doc])* $name),*}

        impl Action {
            /// Every action.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As in the protos.
            pub const fn as_str(self) -> &'static str {
                match self {$(Self::$name => $text),*}
            }
        }
    };
}

actions! {
    /// Ask for access.
    RequestCreate = "request.create",
    /// Read requests, comments and timelines.
    RequestRead = "request.read",
    /// Edit what was asked.
    RequestEdit = "request.edit",
    /// Submit a draft.
    RequestSubmit = "request.submit",
    /// Withdraw.
    RequestWithdraw = "request.withdraw",
    /// Answer a question.
    RequestRespond = "request.respond",
    /// Claim, release, transfer, ask.
    RequestReview = "request.review",
    /// Give back what another has taken.
    RequestReleaseOther = "request.release_other",
    /// Approve, reject, review an emergency.
    RequestDecide = "request.decide",
    /// Approve so that no second approval is needed.
    RequestApproveAlone = "request.approve_alone",
    /// Have it approved by the policies themselves, when it is submitted.
    RequestAutoApprove = "request.auto_approve",
    /// Activate an emergency before it is reviewed.
    RequestActivateEmergency = "request.activate_emergency",
    /// Comment.
    RequestComment = "request.comment",
    /// Make and take back links for a colleague.
    RequestDelegate = "request.delegate",
    /// Read and write what support and cloud teams say among themselves.
    RequestReadInternal = "request.read_internal",
    /// Read grants.
    GrantRead = "grant.read",
    /// Claim, complete, fail, confirm closed.
    GrantWork = "grant.work",
    /// Give back work that another has taken.
    GrantReleaseOther = "grant.release_other",
    /// Ask for a later end.
    GrantExtend = "grant.extend",
    /// Give back early.
    GrantReturn = "grant.return",
    /// Decide an extension, revoke.
    GrantDecide = "grant.decide",
    /// Read institutions and servers.
    CatalogueRead = "catalogue.read",
    /// Read products.
    ProductRead = "product.read",
    /// Change them; import what is open.
    CatalogueWrite = "catalogue.write",
    /// List keys.
    KeyRead = "key.read",
    /// Make and revoke keys.
    KeyWrite = "key.write",
    /// Ask what an address is.
    AddressClassify = "address.classify",
    /// Read events.
    EventsRead = "events.read",
    /// Read own subscriptions.
    SubscriptionRead = "subscription.read",
    /// Change own subscriptions.
    SubscriptionWrite = "subscription.write",
    /// Read own webhook endpoints.
    WebhookRead = "webhook.read",
    /// Change own webhook endpoints.
    WebhookWrite = "webhook.write",
    /// Read the state of the services.
    OperateRead = "operate.read",
    /// Ask what was open, at any instant.
    AccessTrace = "access.trace",
    /// Read signed heads and proofs: they count the events of everybody.
    HistoryRead = "history.read",
    /// Copy out what is kept about a person.
    PersonExport = "person.export",
    /// Erase it.
    PersonErase = "person.erase",
    /// Ask who one is.
    CallerRead = "caller.read",
    /// Tell whose key a secret is: the gateway.
    ServiceAuthenticate = "service.authenticate",
    /// Run what is due: expiry-scheduler.
    ServiceTime = "service.time",
    /// Follow the log: notification.
    ServiceEvents = "service.events",
    /// Act for who holds a link: the gateway.
    ServiceLinks = "service.links",
    /// Judge: intake.
    ServiceValidate = "service.validate",
}

impl FromStr for Action {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| format!("'{text}' is no action"))
    }
}

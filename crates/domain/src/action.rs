//! Roles and permissions, and which role a permission is open to: one table.
//!
//! Role: the vocabulary of [`crate::access`], which adds scopes and decides. The protos name these actions in
//! `operation.action`, so the table is the same for the code, the documents and the authorization matrix.
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
    ($($(#[$doc:meta])* $name:ident = $text:literal: [$($role:ident),*]),* $(,)?) => {
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

            /// The roles that it is open to.
            pub const fn roles(self) -> &'static [Role] {
                match self {$(Self::$name => &[$(Role::$role),*]),*}
            }
        }
    };
}

actions! {
    /// Ask for access.
    RequestCreate = "request.create": [Requester, Analyst, Administrator],
    /// Read requests, comments and timelines.
    RequestRead = "request.read": [Requester, Delegate, Analyst, Cloud, InstitutionApprover, Auditor, Administrator],
    /// Edit what was asked.
    RequestEdit = "request.edit": [Requester, Delegate, Analyst, Administrator],
    /// Submit a draft.
    RequestSubmit = "request.submit": [Requester, Analyst, Administrator],
    /// Withdraw.
    RequestWithdraw = "request.withdraw": [Requester, Administrator],
    /// Answer a question.
    RequestRespond = "request.respond": [Requester, Delegate, Analyst, Administrator],
    /// Claim, release, transfer, ask.
    RequestReview = "request.review": [Analyst, Administrator],
    /// Approve, reject, review an emergency.
    RequestDecide = "request.decide": [Analyst, Administrator],
    /// Activate an emergency before its review.
    RequestActivateEmergency = "request.activate_emergency": [Analyst, Administrator],
    /// Comment.
    RequestComment = "request.comment": [Requester, Delegate, Analyst, Cloud, InstitutionApprover, Administrator],
    /// Make and take back links for a colleague.
    RequestDelegate = "request.delegate": [Requester, Administrator],
    /// Read grants.
    GrantRead = "grant.read": [Requester, Delegate, Analyst, Cloud, InstitutionApprover, Auditor, Administrator],
    /// Claim, complete, fail, confirm closed.
    GrantWork = "grant.work": [Cloud, Administrator],
    /// Ask for a later end.
    GrantExtend = "grant.extend": [Requester, Analyst, Administrator],
    /// Give back early.
    GrantReturn = "grant.return": [Requester, Administrator],
    /// Decide an extension, revoke.
    GrantDecide = "grant.decide": [Analyst, Administrator],
    /// Read institutions, products, servers.
    CatalogueRead = "catalogue.read": [Requester, Delegate, Analyst, Cloud, InstitutionApprover, Auditor, Administrator],
    /// Change them; import what is open.
    CatalogueWrite = "catalogue.write": [Administrator],
    /// List keys.
    KeyRead = "key.read": [Auditor, Administrator],
    /// Make and revoke keys.
    KeyWrite = "key.write": [Administrator],
    /// Ask what an address is.
    AddressClassify = "address.classify": [Requester, Delegate, Analyst, Cloud, InstitutionApprover, Auditor, Administrator],
    /// Read events.
    EventsRead = "events.read": [Requester, Analyst, Cloud, InstitutionApprover, Auditor, Administrator],
    /// Read own subscriptions.
    SubscriptionRead = "subscription.read": [Requester, Analyst, Cloud, InstitutionApprover, Auditor, Administrator],
    /// Change own subscriptions.
    SubscriptionWrite = "subscription.write": [Requester, Analyst, Cloud, InstitutionApprover, Auditor, Administrator],
    /// Read own webhook endpoints.
    WebhookRead = "webhook.read": [Requester, Analyst, Cloud, Administrator],
    /// Change own webhook endpoints.
    WebhookWrite = "webhook.write": [Requester, Analyst, Cloud, Administrator],
    /// Read the state of the services.
    OperateRead = "operate.read": [Auditor, Administrator],
    /// Ask what was open, at any instant.
    AccessTrace = "access.trace": [Auditor, Administrator],
    /// Read signed heads and proofs: they count the events of everybody.
    HistoryRead = "history.read": [Auditor, Administrator],
    /// Copy out what is kept about a person.
    PersonExport = "person.export": [Administrator],
    /// Erase it.
    PersonErase = "person.erase": [Administrator],
    /// Ask who one is.
    CallerRead = "caller.read": [Requester, Delegate, Analyst, Cloud, InstitutionApprover, Auditor, Administrator],
    /// Tell whose key a secret is: the gateway.
    ServiceAuthenticate = "service.authenticate": [Service],
    /// Run what is due: expiry-scheduler.
    ServiceTime = "service.time": [Service],
    /// Follow the log: notification.
    ServiceEvents = "service.events": [Service],
    /// Act for who holds a link: the gateway.
    ServiceLinks = "service.links": [Service],
    /// Judge: intake.
    ServiceValidate = "service.validate": [Service],
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

impl Action {
    /// Open in one scope of any kind, because what it reaches is the caller's own or public knowledge.
    pub(crate) const fn is_personal(self) -> bool {
        matches!(
            self,
            Self::AddressClassify
                | Self::EventsRead
                | Self::SubscriptionRead
                | Self::SubscriptionWrite
                | Self::WebhookRead
                | Self::WebhookWrite
                | Self::CallerRead
        )
    }

    /// Reaches the whole house: only a role that holds everywhere will do.
    pub(crate) const fn is_global(self) -> bool {
        matches!(
            self,
            Self::CatalogueWrite
                | Self::KeyRead
                | Self::KeyWrite
                | Self::OperateRead
                | Self::HistoryRead
                | Self::PersonExport
                | Self::PersonErase
                | Self::ServiceAuthenticate
                | Self::ServiceTime
                | Self::ServiceEvents
                | Self::ServiceLinks
                | Self::ServiceValidate
        )
    }
}

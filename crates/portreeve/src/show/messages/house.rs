//! The catalogue, keys, callers and addresses.
//!
//! Role: see [`super`].

use jiff::Timestamp;
use proto::{
    gateway::v1::{GetCallerResponse, GetClientAddressResponse},
    intake::v1::{ApiKey, Link},
    types::v1::{Institution, Product, RoleBinding, Server},
    validation::v1::AddressClass,
};

use super::{
    super::{Shown, enum_word, list, when},
    actor, yes,
};

impl Shown for Institution {
    const TYPE: &'static str = "portreeve.type.v1.Institution";
    const HEADS: &'static [&'static str] = &["institution", "name", "time zone", "version"];

    fn cells(&self, _now: Timestamp) -> Vec<String> {
        vec![
            self.id.clone(),
            self.display_name.clone(),
            self.time_zone.clone(),
            self.etag.clone(),
        ]
    }
}

impl Shown for Product {
    const TYPE: &'static str = "portreeve.type.v1.Product";
    const HEADS: &'static [&'static str] = &[
        "product",
        "name",
        "support team",
        "cloud team",
        "hosted",
        "local",
        "services",
        "version",
    ];

    fn cells(&self, _now: Timestamp) -> Vec<String> {
        vec![
            self.id.clone(),
            self.display_name.clone(),
            self.support_team.clone(),
            self.cloud_team.clone(),
            yes(self.hosted, "hosted"),
            yes(self.local, "local"),
            list(&self.services),
            self.etag.clone(),
        ]
    }
}

impl Shown for Server {
    const TYPE: &'static str = "portreeve.type.v1.Server";
    const HEADS: &'static [&'static str] = &[
        "server",
        "institution",
        "product",
        "names",
        "addresses",
        "cloud team",
        "closes by",
        "lead time",
        "version",
    ];

    fn cells(&self, _now: Timestamp) -> Vec<String> {
        vec![
            self.id.clone(),
            self.institution.clone(),
            self.product.clone(),
            list(&self.host_names),
            list(&self.addresses),
            self.cloud_team.clone(),
            enum_word("CLOSING_", self.closing().as_str_name()),
            match self.lead_time_seconds {
                0 => String::new(),
                seconds => format!("{seconds} s"),
            },
            self.etag.clone(),
        ]
    }
}

fn bindings(bindings: &[RoleBinding]) -> String {
    let said: Vec<String> = bindings
        .iter()
        .filter_map(proto::identity::binding_from_wire)
        .map(|binding| format!("{} in {}", binding.role, binding.scope))
        .collect();
    said.join("\n")
}

/// The secret before the present one: which, until when, and whether anybody still uses it.
fn former(key: &ApiKey, now: Timestamp) -> String {
    if key.previous_prefix.is_empty() {
        return String::new();
    }
    let used = match &key.previous_last_used_time {
        Some(_) => when(key.previous_last_used_time.as_ref(), now),
        None => "never".to_owned(),
    };
    format!(
        "{}\nuntil {}\nlast used {used}",
        key.previous_prefix,
        when(key.previous_expire_time.as_ref(), now)
    )
}

impl Shown for ApiKey {
    const TYPE: &'static str = "portreeve.intake.v1.ApiKey";
    const HEADS: &'static [&'static str] = &[
        "key",
        "name",
        "begins with",
        "may act as",
        "made",
        "made by",
        "owner",
        "last used",
        "old secret",
        "ends",
        "revoked",
    ];

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.id.clone(),
            self.display_name.clone(),
            self.prefix.clone(),
            bindings(&self.bindings),
            when(self.create_time.as_ref(), now),
            actor(self.created_by.as_ref()),
            self.owner.clone(),
            when(self.last_used_time.as_ref(), now),
            former(self, now),
            when(self.expire_time.as_ref(), now),
            when(self.revoke_time.as_ref(), now),
        ]
    }
}

impl Shown for AddressClass {
    const TYPE: &'static str = "portreeve.validation.v1.AddressClass";
    const HEADS: &'static [&'static str] =
        &["address", "accepted", "networks", "what it is", "source"];

    fn cells(&self, _now: Timestamp) -> Vec<String> {
        vec![
            self.raw.clone(),
            if self.accepted {
                "yes".into()
            } else {
                "NO".into()
            },
            list(&self.networks),
            self.registry_name.clone(),
            self.registry_rfc.clone(),
        ]
    }
}

impl Shown for GetClientAddressResponse {
    const TYPE: &'static str = "portreeve.gateway.v1.GetClientAddressResponse";
    const HEADS: &'static [&'static str] = &["address", "family", "seen in"];

    fn cells(&self, _now: Timestamp) -> Vec<String> {
        vec![
            self.address.clone(),
            self.family.clone(),
            self.source.clone(),
        ]
    }
}

impl Shown for GetCallerResponse {
    const TYPE: &'static str = "portreeve.gateway.v1.GetCallerResponse";
    const HEADS: &'static [&'static str] = &["id", "name", "may act as"];

    fn cells(&self, _now: Timestamp) -> Vec<String> {
        let principal = self.principal.clone().unwrap_or_default();
        vec![
            principal.id,
            principal.display_name,
            bindings(&principal.bindings),
        ]
    }
}

impl Shown for Link {
    const TYPE: &'static str = "portreeve.intake.v1.Link";
    const HEADS: &'static [&'static str] = &[
        "id",
        "for",
        "to",
        "begins",
        "state",
        "made",
        "by",
        "expires",
        "used",
        "taken back",
    ];

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let mut purposes: Vec<String> = self
            .purposes()
            .map(|purpose| enum_word("LINK_PURPOSE_", purpose.as_str_name()))
            .collect();
        if self.submits {
            purposes.push("submit".to_owned());
        }
        vec![
            self.id.clone(),
            self.recipient.clone(),
            list(&purposes),
            self.prefix.clone(),
            enum_word("LINK_STATE_", self.state().as_str_name()),
            when(self.create_time.as_ref(), now),
            actor(self.created_by.as_ref()),
            when(self.expire_time.as_ref(), now),
            when(self.use_time.as_ref(), now),
            when(self.revoke_time.as_ref(), now),
        ]
    }
}

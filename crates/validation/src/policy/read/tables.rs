//! Reads the parts of a policy file that have as many entries as the operator likes: deny rules, devices, product ports.
//!
//! Owner: `validation::policy::read`. Invariants: a list replaces the one of the policy before it as a whole; names
//! are unique; a deny rule says what it is about, or it would deny everything; bounded by [`MAX_RULES`].
//! Nothing here panics.

use domain::id::ProductId;
use domain::net::service::set as services;
use domain::net::{Hostname, IpNet};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Reader;
use crate::policy::{Deny, DenyTo, Device, as_runs};

/// The parts that are read here.
pub(super) const NAMES: [&str; 3] = ["product_services", "device", "deny"];

/// The most deny rules, devices and products.
const MAX_RULES: usize = 1_000;

const DENY_KEYS: [&str; 5] = ["name", "reason", "sources", "destinations", "services"];
const DEVICE_KEYS: [&str; 2] = ["name", "rules"];

impl Reader {
    /// Reads one of the parts of [`NAMES`]; `false` for any other.
    pub(super) fn lists(&mut self, section: &str, value: &Spanned<DeValue<'_>>) -> bool {
        match section {
            "product_services" => self.product_services(value),
            "device" => {
                let tables = self.tables_of(section, value, &DEVICE_KEYS);
                self.policy.devices = tables
                    .iter()
                    .filter_map(|(at, table)| self.device(*at, table))
                    .collect();
            }
            "deny" => {
                let tables = self.tables_of(section, value, &DENY_KEYS);
                let mut rules: Vec<Deny> = Vec::with_capacity(tables.len());
                for (at, table) in &tables {
                    let Some(rule) = self.deny(*at, table) else {
                        continue;
                    };
                    if rules.iter().any(|known| known.name == rule.name) {
                        self.wrong(*at, format!("there are two deny rules `{}`", rule.name));
                    }
                    rules.push(rule);
                }
                self.policy.deny = rules;
            }
            _ => return false,
        }
        true
    }

    /// The tables of `[[name]]`, each with its place; keys that it does not have are mistakes.
    fn tables_of<'v>(
        &mut self,
        name: &str,
        value: &'v Spanned<DeValue<'v>>,
        keys: &[&str],
    ) -> Vec<(usize, &'v DeTable<'v>)> {
        let at = value.span().start;
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(
                at,
                format!("`{name}` is a list of tables: write [[{name}]]"),
            );
            return Vec::new();
        };
        if items.len() > MAX_RULES {
            self.wrong(at, format!("there are more than {MAX_RULES} of [[{name}]]"));
            return Vec::new();
        }
        let mut tables = Vec::with_capacity(items.len());
        for item in items.iter() {
            let at = item.span().start;
            let DeValue::Table(table) = item.get_ref() else {
                self.wrong(
                    at,
                    format!("`{name}` is a list of tables: write [[{name}]]"),
                );
                continue;
            };
            for (key, _) in table.iter() {
                if !keys.contains(&key.get_ref().as_ref()) {
                    let message = format!(
                        "[[{name}]] has no `{}`; it has {}",
                        key.get_ref(),
                        keys.join(", ")
                    );
                    self.wrong(key.span().start, message);
                }
            }
            tables.push((at, table));
        }
        tables
    }

    /// The text of a key that must be there.
    fn needed(&mut self, at: usize, table: &DeTable<'_>, key: &str) -> Option<String> {
        match table.get(key) {
            Some(value) => self.text(value),
            None => {
                self.wrong(at, format!("`{key}` is missing"));
                None
            }
        }
    }

    fn device(&mut self, at: usize, table: &DeTable<'_>) -> Option<Device> {
        let name = self.needed(at, table, "name");
        let Some(value) = table.get("rules") else {
            self.wrong(at, "`rules` is missing".to_owned());
            return None;
        };
        let mut rules = None;
        self.number(value, 1..=1_000_000, |_, number| rules = Some(number));
        Some(Device {
            name: name?,
            rules: rules?,
        })
    }

    fn deny(&mut self, at: usize, table: &DeTable<'_>) -> Option<Deny> {
        let name = self.needed(at, table, "name");
        let reason = match table.get("reason") {
            Some(value) => self.text(value),
            None => None,
        };
        let sources = table.get("sources").map(|value| {
            let networks = self.read_networks(value);
            as_runs(&networks)
        });
        let destinations = table.get("destinations").map(|value| self.deny_to(value));
        let services = table.get("services").map(|value| {
            let found = self.read_services(value);
            services::union(&found)
        });
        if sources.is_none() && destinations.is_none() && services.is_none() {
            self.wrong(
                at,
                "the rule denies everything: name its sources, destinations or services".to_owned(),
            );
        }
        Some(Deny {
            name: name?,
            reason: reason.unwrap_or_default(),
            sources,
            destinations,
            services,
        })
    }

    /// Networks, host names, and endings of host names.
    fn deny_to(&mut self, value: &Spanned<DeValue<'_>>) -> DenyTo {
        let mut networks: Vec<IpNet> = Vec::new();
        let mut names = Vec::new();
        for (at, text) in self.texts(value) {
            let name = text.strip_prefix('.').unwrap_or(&text);
            if name.parse::<Hostname>().is_ok() {
                names.push(text);
            } else {
                networks.extend(self.read_network(at, &text));
            }
        }
        DenyTo {
            networks: as_runs(&networks),
            names,
        }
    }

    fn product_services(&mut self, value: &Spanned<DeValue<'_>>) {
        let at = value.span().start;
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong(
                at,
                "`product_services` is a table: write [product_services]".to_owned(),
            );
            return;
        };
        if table.len() > MAX_RULES {
            self.wrong(at, format!("there are more than {MAX_RULES} products"));
            return;
        }
        let mut found = Vec::with_capacity(table.len());
        for (key, value) in table.iter() {
            let read = self.read_services(value);
            match key.get_ref().parse::<ProductId>() {
                Ok(product) => found.push((product, read)),
                Err(error) => {
                    let message = format!("`{}` is no product id: {error}", key.get_ref());
                    self.wrong(key.span().start, message);
                }
            }
        }
        self.policy.product_services = found;
    }
}

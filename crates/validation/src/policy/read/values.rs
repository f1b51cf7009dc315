//! Reads single values of a policy file.
//!
//! Owner: `validation::policy::read`. Invariants: a value of the wrong kind or out of its range is a mistake with its
//! line and leaves the policy as it was. Nothing here panics.

use domain::finding::Finding;
use domain::net::{IpNet, Service, read_services, read_sources};
use toml::Spanned;
use toml::de::DeValue;

use super::{Policy, Reader};

impl Reader {
    pub(super) fn number(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        range: std::ops::RangeInclusive<u64>,
        set: impl FnOnce(&mut Policy, u64),
    ) {
        let number = match value.get_ref() {
            DeValue::Integer(integer) => {
                u64::from_str_radix(integer.as_str(), integer.radix()).ok()
            }
            _ => None,
        };
        match number.filter(|number| range.contains(number)) {
            Some(number) => set(&mut self.policy, number),
            None => {
                let message = format!(
                    "a whole number from {} to {} is expected",
                    range.start(),
                    range.end()
                );
                self.wrong(value.span().start, message);
            }
        }
    }

    pub(super) fn texts(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<(usize, String)> {
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(
                value.span().start,
                "a list of texts in brackets is expected".to_owned(),
            );
            return Vec::new();
        };
        let mut found = Vec::with_capacity(items.len());
        for item in items.iter() {
            match item.get_ref().as_str() {
                Some(text) => found.push((item.span().start, text.to_owned())),
                None => self.wrong(item.span().start, "a text in quotes is expected".to_owned()),
            }
        }
        found
    }

    pub(super) fn networks(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        set: impl FnOnce(&mut Policy, Vec<IpNet>),
    ) {
        let networks = self.read_networks(value);
        set(&mut self.policy, networks);
    }

    pub(super) fn services(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        set: impl FnOnce(&mut Policy, Vec<Service>),
    ) {
        let services = self.read_services(value);
        set(&mut self.policy, services);
    }

    pub(super) fn read_networks(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for (at, text) in self.texts(value) {
            networks.extend(self.read_network(at, &text));
        }
        networks
    }

    /// The networks of one text, read by the grammar of requests; whatever it has to say is a mistake here.
    pub(super) fn read_network(&mut self, at: usize, text: &str) -> Vec<IpNet> {
        let (entries, findings) = read_sources("networks", std::slice::from_ref(&text.to_owned()));
        for finding in findings {
            self.wrong(at, finding.message);
        }
        entries
            .into_iter()
            .flat_map(|entry| entry.networks)
            .collect()
    }

    pub(super) fn read_services(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<Service> {
        let mut services = Vec::new();
        for (at, text) in self.texts(value) {
            let (entries, findings) = read_services("services", std::slice::from_ref(&text));
            services.extend(entries.into_iter().map(|entry| entry.service));
            for finding in findings.into_iter().filter(Finding::is_error) {
                self.wrong(at, finding.message);
            }
        }
        services
    }

    /// A text that says something.
    pub(super) fn text(&mut self, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let text = value.get_ref().as_str().map(str::trim);
        match text.filter(|text| !text.is_empty()) {
            Some(text) => Some(text.to_owned()),
            None => {
                self.wrong(
                    value.span().start,
                    "a text in quotes is expected".to_owned(),
                );
                None
            }
        }
    }
}

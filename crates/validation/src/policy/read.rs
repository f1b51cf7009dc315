//! Reads a policy file over another policy.
//!
//! Owner: `validation::policy`. Walks the tables that [`KEYS`] knows, and the lists of `tables`; whatever else the
//! file holds is a mistake. Networks and services are read by the grammar of `domain`, so the policy and the requests that it
//! judges mean the same.
//! Invariants: every mistake is reported with its line; nothing is used when there is one; bounded by
//! `MAX_FILE_BYTES`. Nothing here panics.

mod tables;
mod values;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{DEFAULT_POLICY, Policy, PolicyError, PolicyErrors, as_runs};

/// The most text that a policy file may hold, in bytes; lists of cloud networks are long.
const MAX_FILE_BYTES: usize = 4 * 1024 * 1024;

/// Sections and their keys.
const KEYS: &[(&str, &[&str])] = &[
    (
        "sources",
        &[
            "maximum",
            "v4_widest_prefix",
            "v6_widest_prefix",
            "v4_wide_prefix",
            "v6_wide_prefix",
            "own_networks",
            "proxy_networks",
            "shared_networks",
        ],
    ),
    ("destinations", &["maximum", "hosted_networks", "unknown"]),
    (
        "services",
        &["maximum", "wide_ports", "forbidden", "sensitive"],
    ),
    (
        "time",
        &[
            "shortest_seconds",
            "longest_temporary_days",
            "furthest_start_days",
        ],
    ),
    ("rules", &["quota"]),
];

/// The built-in policy: the documented file over nothing. A test proves that the file has no mistake.
pub(super) fn built_in() -> Policy {
    let nothing = Policy {
        max_sources: 1,
        max_destinations: 1,
        max_services: 1,
        v4_widest_prefix: 32,
        v6_widest_prefix: 128,
        v4_wide_prefix: 32,
        v6_wide_prefix: 128,
        own_networks: Vec::new(),
        proxy_networks: Vec::new(),
        shared_networks: Vec::new(),
        hosted_networks: Vec::new(),
        unknown_is_error: true,
        wide_ports: 1,
        forbidden: Vec::new(),
        sensitive: Vec::new(),
        product_services: Vec::new(),
        shortest_seconds: 60,
        longest_temporary_days: 1,
        furthest_start_days: 1,
        rule_quota: 1,
        devices: Vec::new(),
        deny: Vec::new(),
    };
    // Should the file ever fail to read, the narrowest policy judges: nothing wide slips through.
    over(nothing.clone(), DEFAULT_POLICY).unwrap_or(nothing)
}

pub(super) fn over(policy: Policy, text: &str) -> Result<Policy, PolicyErrors> {
    if text.len() > MAX_FILE_BYTES {
        let message = format!("the file is longer than {MAX_FILE_BYTES} bytes");
        return Err(PolicyErrors(vec![PolicyError { line: 1, message }]));
    }
    let mut reader = Reader {
        line_ends: text.match_indices('\n').map(|(at, _)| at).collect(),
        policy,
        errors: Vec::new(),
    };
    let (table, mistakes) = DeTable::parse_recoverable(text);
    for mistake in &mistakes {
        let at = mistake.span().map_or(0, |span| span.start);
        reader.wrong(at, format!("not TOML: {}", mistake.message()));
    }
    if mistakes.is_empty() {
        reader.tables(table.get_ref());
    }
    if reader.errors.is_empty() {
        return Ok(reader.policy);
    }
    reader.errors.sort_by_key(|error| error.line);
    Err(PolicyErrors(reader.errors))
}

struct Reader {
    /// Where each line ends.
    line_ends: Vec<usize>,
    policy: Policy,
    errors: Vec<PolicyError>,
}

impl Reader {
    fn wrong(&mut self, at: usize, message: String) {
        // Found among the ends, not counted: a file of mistakes would be counted through for each of them.
        let line = self.line_ends.partition_point(|end| *end < at) + 1;
        self.errors.push(PolicyError { line, message });
    }

    fn tables(&mut self, root: &DeTable<'_>) {
        let mut last_prefix_line = 0;
        for (name, value) in root.iter() {
            let section = name.get_ref().as_ref();
            let known = KEYS.iter().find(|(known, _)| *known == section);
            if self.lists(section, value) {
                continue;
            }
            match (known, value.get_ref()) {
                (Some((_, keys)), DeValue::Table(table)) => {
                    for (key, value) in table.iter() {
                        let key_text = key.get_ref().as_ref();
                        if !keys.contains(&key_text) {
                            let message = format!(
                                "[{section}] has no `{key_text}`; it has {}",
                                keys.join(", ")
                            );
                            self.wrong(key.span().start, message);
                            continue;
                        }
                        if key_text.ends_with("_prefix") {
                            last_prefix_line = key.span().start;
                        }
                        self.value(section, key_text, value);
                    }
                }
                (Some(_), _) => self.wrong(
                    name.span().start,
                    format!("`{section}` is a table: write [{section}]"),
                ),
                (None, _) => {
                    let known: Vec<&str> = KEYS
                        .iter()
                        .map(|(known, _)| *known)
                        .chain(tables::NAMES)
                        .collect();
                    let message = format!("`{section}` is unknown; there are {}", known.join(", "));
                    self.wrong(name.span().start, message);
                }
            }
        }
        for (family, widest, wide) in [
            (
                "v4",
                self.policy.v4_widest_prefix,
                self.policy.v4_wide_prefix,
            ),
            (
                "v6",
                self.policy.v6_widest_prefix,
                self.policy.v6_wide_prefix,
            ),
        ] {
            if wide < widest {
                let message = format!(
                    "{family}_wide_prefix ({wide}) is below {family}_widest_prefix ({widest}), so it would never warn"
                );
                self.wrong(last_prefix_line, message);
            }
        }
    }

    fn value(&mut self, section: &str, key: &str, value: &Spanned<DeValue<'_>>) {
        const DAYS: std::ops::RangeInclusive<u64> = 1..=36_500;
        let entries = 1..=domain::net::MAX_ENTRIES as u64;
        match (section, key) {
            ("sources", "maximum") => {
                self.number(value, entries, |policy, n| policy.max_sources = n as usize)
            }
            ("destinations", "maximum") => {
                self.number(value, entries, |policy, n| {
                    policy.max_destinations = n as usize
                });
            }
            ("destinations", "hosted_networks") => {
                self.networks(value, |policy, found| {
                    policy.hosted_networks = as_runs(&found);
                });
            }
            ("destinations", "unknown") => match value.get_ref().as_str() {
                Some("warning") => self.policy.unknown_is_error = false,
                Some("error") => self.policy.unknown_is_error = true,
                _ => self.wrong(
                    value.span().start,
                    "\"warning\" or \"error\" is expected".to_owned(),
                ),
            },
            ("services", "maximum") => {
                self.number(value, entries, |policy, n| policy.max_services = n as usize)
            }
            ("sources", "v4_widest_prefix") => {
                self.number(value, 1..=32, |policy, n| policy.v4_widest_prefix = n as u8);
            }
            ("sources", "v4_wide_prefix") => {
                self.number(value, 1..=32, |policy, n| policy.v4_wide_prefix = n as u8)
            }
            ("sources", "v6_widest_prefix") => {
                self.number(value, 1..=128, |policy, n| {
                    policy.v6_widest_prefix = n as u8
                });
            }
            ("sources", "v6_wide_prefix") => {
                self.number(value, 1..=128, |policy, n| policy.v6_wide_prefix = n as u8)
            }
            ("sources", "own_networks") => {
                self.networks(value, |policy, found| policy.own_networks = as_runs(&found))
            }
            ("sources", "proxy_networks") => {
                self.networks(value, |policy, found| {
                    policy.proxy_networks = as_runs(&found)
                });
            }
            ("sources", "shared_networks") => {
                self.networks(value, |policy, found| {
                    policy.shared_networks = as_runs(&found)
                });
            }
            ("services", "wide_ports") => {
                self.number(value, 1..=65_535, |policy, n| policy.wide_ports = n as u32)
            }
            ("services", "forbidden") => {
                self.services(value, |policy, found| policy.forbidden = found)
            }
            ("services", "sensitive") => {
                self.services(value, |policy, found| policy.sensitive = found)
            }
            ("time", "shortest_seconds") => {
                self.number(value, 60..=86_400, |policy, n| policy.shortest_seconds = n);
            }
            ("time", "longest_temporary_days") => {
                self.number(value, DAYS, |policy, n| {
                    policy.longest_temporary_days = n as u32
                });
            }
            ("time", "furthest_start_days") => {
                self.number(value, DAYS, |policy, n| {
                    policy.furthest_start_days = n as u32
                });
            }
            ("rules", "quota") => {
                self.number(value, 1..=1_000_000, |policy, n| policy.rule_quota = n)
            }
            _ => self.wrong(
                value.span().start,
                format!("[{section}] `{key}` is not read by this version"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn the_documented_file_has_no_mistake_and_names_every_key() {
        let policy = over(built_in(), DEFAULT_POLICY).unwrap();
        assert_eq!(policy, built_in());
        assert_eq!(
            (
                policy.v4_widest_prefix,
                policy.v6_wide_prefix,
                policy.rule_quota
            ),
            (16, 48, 60)
        );
        for key in KEYS.iter().flat_map(|(_, keys)| *keys) {
            assert!(DEFAULT_POLICY.contains(&format!("\n{key} = ")), "{key}");
        }
        for name in tables::NAMES {
            assert!(DEFAULT_POLICY.contains(&format!("[{name}]")), "{name}");
        }
    }

    /// What operators start from says the same as what is built in, and its examples work.
    #[test]
    fn the_example_of_the_deployment_is_the_documented_file() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/policy.toml");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            text == DEFAULT_POLICY,
            "copy crates/validation/src/policy/default.toml to deploy/policy.toml"
        );
        let examples: String = text
            .lines()
            .map(|line| line.strip_prefix("#   ").unwrap_or(line))
            // The table that an example stands above is opened before it.
            .filter(|line| *line != "[product_services]")
            .map(|line| {
                if line.starts_with("alma = ") {
                    format!("[product_services]\n{line}\n")
                } else {
                    format!("{line}\n")
                }
            })
            .collect();
        let policy = Policy::from_toml(&examples).unwrap();
        assert_eq!(policy.services_of(&"alma".parse().unwrap()).len(), 2);
        assert_eq!(policy.devices[0].rules, 60);
        let deny = &policy.deny[0];
        assert_eq!(deny.name, "no-databases");
        for (destination, address, denied) in [
            ("one.db.example.org", "9.9.9.9", true),
            ("db.example.org", "9.9.9.9", false),
            ("db.example.org", "198.51.100.9", true),
        ] {
            let destination = destination.parse().unwrap();
            let addresses = [address.parse().unwrap()];
            assert_eq!(deny.denies_destination(&destination, &addresses), denied);
        }
    }

    #[test]
    fn mistakes_in_lists_are_reported_with_their_lines() {
        let text = "[[deny]]\nname = \"all\"\n[[deny]]\nreason = \"why\"\nservices = [\"443\"]\ncolour = 1\n\
                    [[device]]\nname = \"a\"\n[product_services]\n\"A B\" = [\"tcp/443\"]\n\
                    [destinations]\nunknown = \"maybe\"\nhosted_networks = [\"9.9.9.9/24\"]\n";
        let errors = Policy::from_toml(text).unwrap_err();
        let lines: Vec<usize> = errors.0.iter().map(|error| error.line).collect();
        assert_eq!(lines, [1, 3, 5, 6, 7, 10, 12, 13], "{errors}");
    }

    #[test]
    fn a_file_changes_only_what_it_names() {
        let policy = Policy::from_toml("[rules]\nquota = 7\n").unwrap();
        assert_eq!(
            policy,
            Policy {
                rule_quota: 7,
                ..Policy::built_in()
            }
        );
    }

    #[test]
    fn every_mistake_is_reported_with_its_line() {
        let text = "[sources]\nmaximum = 0\nmaximun = 3\nown_networks = [\n  \"9.9.9.9/24\",\n  7,\n]\n\
                    v4_wide_prefix = 8\n[services]\nforbidden = [\"443\"]\n[colours]\n";
        let errors = Policy::from_toml(text).unwrap_err();
        let lines: Vec<usize> = errors.0.iter().map(|error| error.line).collect();
        assert_eq!(lines, [2, 3, 5, 6, 8, 10, 11], "{errors}");
        assert!(
            Policy::from_toml("[sources\n")
                .unwrap_err()
                .to_string()
                .contains("line 1: not TOML")
        );
    }
}

//! What an operator can set about the ledger.
//!
//! Role: the table of settings under `intake.` and their parsed form: what the house promises, how long it waits, and
//! whose queue is asked where the catalogue names nobody.
//! Owner: the operator. Invariant: `Settings::default()` equals the defaults of the table (tested).
//! Failure story: a team that is no slug, a promise of no time or a malformed source is a [`SettingsError`] at start.

use std::time::Duration;

use domain::{catalogue::Terms, id::TeamId};
use service_kit::config::{Config, Kind, Setting};

use crate::history::{AddressError, AnchorAddress, MAX_ANCHORS, Places};

/// Longest `source`, in bytes.
const MAX_SOURCE_BYTES: usize = 200;

const fn duration(key: &'static str, help: &'static str, default: &'static str) -> Setting {
    Setting {
        key,
        help,
        default: Some(default),
        secret: false,
        kind: Kind::Duration,
    }
}

const fn text(key: &'static str, help: &'static str, default: &'static str) -> Setting {
    Setting {
        key,
        help,
        default: Some(default),
        secret: false,
        kind: Kind::Text,
    }
}

const fn path(key: &'static str, help: &'static str) -> Setting {
    Setting {
        key,
        help,
        default: None,
        secret: false,
        kind: Kind::Path,
    }
}

/// The settings of this service.
pub static SETTINGS: &[Setting] = &[
    duration(
        "intake.promise",
        "What is promised for a request, from its submission to done.",
        "72h",
    ),
    duration(
        "intake.emergency-promise",
        "The same for an emergency.",
        "4h",
    ),
    duration(
        "intake.answer-within",
        "How long a question waits for its answer before the request lapses.",
        "336h",
    ),
    duration(
        "intake.agent-confirms-within",
        "How long an agent may take to confirm a closure before a human is called.",
        "5m",
    ),
    duration(
        "intake.team-confirms-within",
        "How long a cloud team may take to confirm a closure before a human is called.",
        "24h",
    ),
    duration(
        "intake.lead-time",
        "How long before a future start the cloud team gets the work, where the server says nothing.",
        "24h",
    ),
    duration(
        "intake.emergency-time-box",
        "How long access stays open that was opened in an emergency before its review, unless the review confirms it.",
        "24h",
    ),
    duration(
        "intake.review-reminder-every",
        "How often people are reminded of a review that is owed, after half of its time.",
        "4h",
    ),
    text(
        "intake.default-cloud-team",
        "The cloud team of a destination for which neither its server nor its product names one.",
        "cloud",
    ),
    text(
        "intake.cross-product-team",
        "The support team whose queue cross-product requests land in.",
        "support",
    ),
    text(
        "intake.source",
        "The source of this ledger's events: a URI reference without spaces.",
        "/portreeve",
    ),
    path(
        "intake.history-key-file",
        "The key that signs the heads of the history; made when it is not there. Default: history.key in the data directory; on PostgreSQL none, and then nothing is sealed.",
    ),
    path(
        "intake.history-heads-file",
        "Signed heads are appended to it, one a minute at most, to be carried away. Default: history-heads.txt in the data directory; on PostgreSQL none.",
    ),
    // A login may stand in a URL.
    Setting {
        key: HEADS_TO,
        help: "Signed heads are also sent there, the newest, one a minute at most: https://[user:password@]host/path gets \
               them by POST (http:// on this machine alone); nats://[user:password@]host:4222/SUBJECT, or tls://, stores \
               them in the JetStream stream of that subject. Each may be file:/path, a file that holds one URL.",
        default: Some(""),
        secret: true,
        kind: Kind::List,
    },
];

/// Named by its mistakes too.
const HEADS_TO: &str = "intake.history-heads-to";

/// The parsed settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// From submission to done; more than zero.
    pub promise: Duration,
    /// The same for an emergency; more than zero.
    pub emergency_promise: Duration,
    /// How long a question waits; more than zero.
    pub answer_within: Duration,
    /// How long an agent may take to confirm a closure; more than zero.
    pub agent_confirms_within: Duration,
    /// How long a cloud team may take to confirm a closure; more than zero.
    pub team_confirms_within: Duration,
    /// How long before a start a cloud team gets the work; may be zero.
    pub lead_time: Duration,
    /// How long an emergency stays open without a review; more than zero.
    pub emergency_time_box: Duration,
    /// How often people are reminded of a review; more than zero.
    pub review_reminder_every: Duration,
    /// The cloud team where nobody is named.
    pub default_cloud_team: TeamId,
    /// The support team of cross-product requests.
    pub cross_product_team: TeamId,
    /// The events' `source`.
    pub source: String,
    /// Where the history's key and heads are; unset ones lie beside an embedded ledger.
    pub history: Places,
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not a team.
    #[error("{key}: '{text}' is no team; {error}")]
    Team {
        /// The setting.
        key: &'static str,
        /// What was written.
        text: String,
        /// Which form is wanted.
        error: domain::id::IdError,
    },
    /// No time at all.
    #[error("{0}: write more than zero, such as 24h")]
    Zero(&'static str),
    /// Not a URI reference.
    #[error(
        "intake.source: '{0}' is no URI reference; write one such as /portreeve or https://access.example.org"
    )]
    Source(String),
    /// Nowhere that heads can be sent; the URL is not shown, because it may hold a secret.
    #[error("{HEADS_TO}, number {number}: {error}")]
    HeadsTo {
        /// Which of the list, from 1.
        number: usize,
        /// What is wrong with it.
        error: AddressError,
    },
    /// Too many places.
    #[error("{HEADS_TO}: {MAX_ANCHORS} at most")]
    TooManyAnchors,
}

impl Default for Settings {
    #[expect(clippy::expect_used, reason = "constant slugs, read by a test")]
    fn default() -> Self {
        let terms = Terms::default();
        Self {
            promise: terms.promise,
            emergency_promise: terms.emergency_promise,
            answer_within: terms.answer_within,
            agent_confirms_within: terms.agent_confirms_within,
            team_confirms_within: terms.team_confirms_within,
            lead_time: terms.lead_time,
            emergency_time_box: terms.emergency_time_box,
            review_reminder_every: terms.review_reminder_every,
            default_cloud_team: "cloud".parse().expect("a slug"),
            cross_product_team: "support".parse().expect("a slug"),
            source: "/portreeve".to_owned(),
            history: Places::default(),
        }
    }
}

impl Settings {
    /// Reads the settings of this service.
    ///
    /// # Errors
    /// [`SettingsError`] for the first value that cannot be used.
    pub fn from_config(config: &Config) -> Result<Self, SettingsError> {
        let some_time = |key| match config.duration(key) {
            Duration::ZERO => Err(SettingsError::Zero(key)),
            time => Ok(time),
        };
        let team = |key| {
            let text = config.text(key);
            text.parse().map_err(|error| SettingsError::Team {
                key,
                text: text.to_owned(),
                error,
            })
        };
        let place = |key| config.is_set(key).then(|| config.path(key).to_owned());
        let addresses = config.list(HEADS_TO);
        if addresses.len() > MAX_ANCHORS {
            return Err(SettingsError::TooManyAnchors);
        }
        let heads_to: Vec<AnchorAddress> = addresses
            .iter()
            .zip(1..)
            .map(|(text, number)| {
                let address = text.parse();
                address.map_err(|error| SettingsError::HeadsTo { number, error })
            })
            .collect::<Result<_, _>>()?;
        let source = config.text("intake.source");
        let fits = (1..=MAX_SOURCE_BYTES).contains(&source.len())
            && source
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte));
        if !fits {
            return Err(SettingsError::Source(source.to_owned()));
        }
        Ok(Self {
            promise: some_time("intake.promise")?,
            emergency_promise: some_time("intake.emergency-promise")?,
            answer_within: some_time("intake.answer-within")?,
            agent_confirms_within: some_time("intake.agent-confirms-within")?,
            team_confirms_within: some_time("intake.team-confirms-within")?,
            lead_time: config.duration("intake.lead-time"),
            emergency_time_box: some_time("intake.emergency-time-box")?,
            review_reminder_every: some_time("intake.review-reminder-every")?,
            default_cloud_team: team("intake.default-cloud-team")?,
            cross_product_team: team("intake.cross-product-team")?,
            source: source.to_owned(),
            history: Places {
                key_file: place("intake.history-key-file"),
                heads_file: place("intake.history-heads-file"),
                heads_to,
            },
        })
    }

    /// What the house promises and how long it waits.
    pub fn terms(&self) -> Terms {
        Terms {
            promise: self.promise,
            emergency_promise: self.emergency_promise,
            answer_within: self.answer_within,
            agent_confirms_within: self.agent_confirms_within,
            team_confirms_within: self.team_confirms_within,
            lead_time: self.lead_time,
            emergency_time_box: self.emergency_time_box,
            review_reminder_every: self.review_reminder_every,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "constants")]
    use std::collections::BTreeMap;

    use super::*;

    fn read(flags: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let flags: BTreeMap<String, String> = flags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Settings::from_config(&Config::resolve(SETTINGS, None, [], &flags).unwrap())
    }

    #[test]
    fn the_defaults_of_the_table_are_those_of_the_code() {
        assert_eq!(read(&[]), Ok(Settings::default()));
        assert_eq!(Settings::default().terms(), Terms::default());
    }

    #[test]
    fn a_wrong_value_names_its_setting() {
        for (key, value) in [
            ("intake.default-cloud-team", "The Cloud"),
            ("intake.promise", "0s"),
            ("intake.source", "port reeve"),
        ] {
            let error = read(&[(key, value)]).unwrap_err().to_string();
            assert!(error.starts_with(key), "{error}");
        }
    }

    #[test]
    fn heads_are_sent_to_what_can_be_used_and_a_mistake_is_not_quoted() {
        let two = "https://u:p@keep.example/heads, nats://127.0.0.1/heads";
        let settings = read(&[(HEADS_TO, two)]).unwrap();
        assert_eq!(settings.history.heads_to.len(), 2);
        let wrong = "https://keep.example/heads, http://u:secret@keep.example/secret";
        assert_eq!(
            read(&[(HEADS_TO, wrong)]).unwrap_err().to_string(),
            "intake.history-heads-to, number 2: http is for this machine alone; write https://"
        );
        let many = ["https://keep.example/heads"; MAX_ANCHORS + 1].join(",");
        assert_eq!(
            read(&[(HEADS_TO, &many)]),
            Err(SettingsError::TooManyAnchors)
        );
    }

    #[test]
    fn work_may_be_handed_over_at_the_start_itself() {
        assert_eq!(
            read(&[("intake.lead-time", "0s")]).unwrap().lead_time,
            Duration::ZERO
        );
    }
}

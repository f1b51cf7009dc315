//! Every setting of the executable, and where its values come from.
//!
//! Role: one table: the executable's own settings followed by those of every service. From it come the flags of
//! `serve`, `migrate`, `backup`, `restore` and `config`, the variables, and the example file.
//! Invariants: a setting that exists in the table can be given in every place; variables of clients (the key, the
//! server) are not settings of a server and are left out before reading.
//! Failure story: every mistake at once, each with its place (exit code 2).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use clap::{Arg, ArgAction, ArgMatches};
use service_kit::{
    config::{Config, Kind, Setting, commented_file, environment},
    telemetry::{LogFormat, TelemetrySettings},
};

use crate::trouble::Trouble;

/// The file that is read when it is there and none is named.
pub const DEFAULT_FILE: &str = "portreeve.toml";

/// Largest configuration file, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Variables with our prefix that belong to client commands.
pub const CLIENT_VARIABLES: &[&str] = &[
    "PORTREEVE_KEY",
    "PORTREEVE_KEY_FILE",
    "PORTREEVE_SERVER",
    "PORTREEVE_OUTPUT",
    "PORTREEVE_CONFIG",
];

const fn setting(
    key: &'static str,
    default: Option<&'static str>,
    kind: Kind,
    help: &'static str,
) -> Setting {
    Setting {
        key,
        help,
        default,
        secret: false,
        kind,
    }
}

/// The executable's own settings.
static OWN: &[Setting] = &[
    setting(
        "data-dir",
        Some("./data"),
        Kind::Path,
        "Where the embedded stores are. One process alone may use it at a time.",
    ),
    Setting {
        key: "database-url",
        help: "A PostgreSQL database (postgres://user:password@host/name) instead of the embedded stores. Each service \
               keeps a schema of its own there.",
        default: None,
        secret: true,
        kind: Kind::Url,
    },
    setting(
        "listen",
        None,
        Kind::Text,
        "Address and port of a single service (serve intake, and so on). Not given: 127.0.0.1 with port 7101 for intake, \
         7102 for validation, 7103 for expiry-scheduler, 7104 for notification. The gateway has gateway.listen.",
    ),
    Setting {
        key: "internal-key",
        help: "32 bytes in base64 by which the services know each other. All processes of one house need the same; in \
               one process it is made anew at each start. Make one with: openssl rand -base64 32",
        default: None,
        secret: true,
        kind: Kind::Text,
    },
    setting(
        "authz.policy-dir",
        None,
        Kind::Path,
        "The directory of your own access policies (Cedar, *.cedar); every service reads it at its start and a mistake \
         stops the start. Not given: the shipped policies alone. See: portreeve policy show.",
    ),
    setting(
        "admin-key-file",
        None,
        Kind::Path,
        "Write the first administrator key into this new file (mode 0600) instead of showing it.",
    ),
    setting(
        "admin.listen",
        Some("127.0.0.1:8081"),
        Kind::Text,
        "Address and port of /livez, /readyz and /metrics. Not for the outside.",
    ),
    setting(
        "peers.intake",
        Some("http://127.0.0.1:7101"),
        Kind::Url,
        "Where intake is, for services that run alone; https:// where tls.certificate is set.",
    ),
    setting(
        "peers.validation",
        Some("http://127.0.0.1:7102"),
        Kind::Url,
        "Where validation is, for services that run alone; https:// where tls.certificate is set.",
    ),
    setting(
        "peers.expiry-scheduler",
        Some("http://127.0.0.1:7103"),
        Kind::Url,
        "Where expiry-scheduler is, for services that run alone; https:// where tls.certificate is set.",
    ),
    setting(
        "peers.notification",
        Some("http://127.0.0.1:7104"),
        Kind::Url,
        "Where notification is, for services that run alone; https:// where tls.certificate is set.",
    ),
    setting(
        "tls.certificate",
        None,
        Kind::Path,
        "The certificate (PEM, with its chain) of a service that runs alone, in the name <service>.portreeve.internal. \
         With it, tls.key and tls.ca, services speak mutual TLS. Changed files are taken over without a restart.",
    ),
    setting(
        "tls.key",
        None,
        Kind::Path,
        "The private key (PEM) of tls.certificate.",
    ),
    setting(
        "tls.ca",
        None,
        Kind::Path,
        "The certificates (PEM) of the CAs that sign the services' certificates; two of them while one replaces the other.",
    ),
    setting(
        "tls.plaintext",
        Some("false"),
        Kind::Bool,
        "Whether services that run alone may speak in clear beyond this machine, without certificates. Choose it only \
         for a network that you trust whole, or that is encrypted beneath.",
    ),
    setting(
        "tls.look-every",
        Some("10s"),
        Kind::Duration,
        "How often the files of tls.* and gateway.tls-* are looked at for changes.",
    ),
    setting(
        "drain.delay",
        Some("3s"),
        Kind::Duration,
        "From SIGTERM, when readiness fails, to closing the listeners: time for one probe of a load balancer. Ctrl-C \
         (SIGINT) does not wait.",
    ),
    setting(
        "drain.deadline",
        Some("20s"),
        Kind::Duration,
        "From closing the listeners to cutting what still runs.",
    ),
    setting(
        "log.format",
        Some("human"),
        Kind::Text,
        "How log lines look: human or json.",
    ),
    setting(
        "log.filter",
        Some("info,async_nats=off,opentelemetry=warn,sqlx=warn"),
        Kind::Text,
        "What is logged, as in info or warn,portreeve_intake=debug.",
    ),
    setting(
        "otlp-endpoint",
        None,
        Kind::Url,
        "Where traces go over OTLP/gRPC, as in http://collector:4317. Not given: nowhere.",
    ),
];

static ALL: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let tables = [
        OWN,
        intake::SETTINGS,
        validation::SETTINGS,
        expiry_scheduler::SETTINGS,
        notification::SETTINGS,
        gateway::SETTINGS,
        gateway::LOGIN_SETTINGS,
    ];
    tables.into_iter().flatten().copied().collect()
});

/// Every setting.
pub fn all() -> &'static [Setting] {
    &ALL
}

/// The fully commented example file.
pub fn example() -> String {
    commented_file(all())
}

/// The flags of the settings, grouped by their first word, and `--config`.
pub fn flags(command: clap::Command) -> clap::Command {
    let command = command.arg(
        Arg::new("config")
            .long("config")
            .value_name("FILE")
            .help("The configuration file [default: portreeve.toml, where it is there]")
            .action(ArgAction::Set),
    );
    all().iter().filter(|setting| !setting.secret).fold(command, |command, setting| {
        let group = setting.key.split_once('.').map_or("general", |(group, _)| group);
        let value = match setting.kind {
            Kind::Text => "TEXT",
            Kind::Integer => "NUMBER",
            Kind::Duration => "DURATION",
            Kind::Bool => "BOOL",
            Kind::Path => "PATH",
            Kind::Url => "URL",
            Kind::List => "LIST",
        };
        let default = setting.default.map_or(String::new(), |default| format!(" [default: {default}]"));
        let flag = setting.flag();
        command.arg(
            Arg::new(setting.key)
                .long(flag.trim_start_matches('-').to_owned())
                .value_name(value)
                .help(format!("{}{default}", setting.help))
                .help_heading(format!("Settings: {group}"))
                .action(ArgAction::Set),
        )
    })
    .arg(
        Arg::new("database-url")
            .long("database-url")
            .value_name("URL")
            .help("A PostgreSQL database instead of the embedded stores. A password is better given in the environment \
                   (PORTREEVE_DATABASE_URL) or as file:/path, because flags show in process lists")
            .help_heading("Settings: general")
            .action(ArgAction::Set),
    )
}

/// The configuration in force, from the file, the environment and the flags of `matches`.
///
/// # Errors
/// [`Trouble::Usage`] with every mistake.
pub fn load(matches: &ArgMatches) -> Result<Config, Trouble> {
    let mut given = BTreeMap::new();
    for setting in all() {
        // A secret that has no flag is not known to clap.
        if let Ok(Some(value)) = matches.try_get_one::<String>(setting.key) {
            given.insert(setting.key.to_owned(), value.clone());
        }
    }
    let named = matches.get_one::<String>("config").map(PathBuf::from);
    let named = named.or_else(|| {
        std::env::var_os("PORTREEVE_CONFIG")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    });
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let text = if named.is_some() || path.exists() {
        Some(crate::input::read_text(&path, MAX_FILE_BYTES)?)
    } else {
        None
    };
    let shown = shown_path(&path);
    let file = text.as_deref().map(|text| (shown.as_str(), text));
    let variables = environment().filter(|(name, _)| !CLIENT_VARIABLES.contains(&name.as_str()));
    Config::resolve(all(), file, variables, &given)
        .map_err(|errors| Trouble::Usage(errors.to_string()))
}

fn shown_path(path: &Path) -> String {
    path.display().to_string()
}

/// What telemetry needs.
///
/// # Errors
/// [`Trouble::Usage`] for an unknown format of lines.
pub fn telemetry(config: &Config, service_name: &str) -> Result<TelemetrySettings, Trouble> {
    let log_format = match config.text("log.format") {
        "human" => LogFormat::Human,
        "json" => LogFormat::Json,
        other => {
            return Err(Trouble::Usage(format!(
                "log.format: '{other}' is none; write human or json"
            )));
        }
    };
    Ok(TelemetrySettings {
        service_name: service_name.to_owned(),
        log_format,
        log_filter: config.text("log.filter").to_owned(),
        otlp_endpoint: config.optional("otlp-endpoint").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_settings_share_a_name_a_flag_or_a_variable() {
        let mut names = std::collections::BTreeSet::new();
        for setting in all() {
            for name in [setting.key.to_owned(), setting.flag(), setting.variable()] {
                assert!(names.insert(name.clone()), "{name} is there twice");
            }
        }
        for variable in CLIENT_VARIABLES {
            assert!(!names.contains(*variable), "{variable} is a setting");
        }
    }

    #[test]
    fn the_file_in_deploy_is_the_example() {
        let kept = include_str!("../../../deploy/portreeve.toml");
        assert!(
            kept == example(),
            "run: portreeve config --example > deploy/portreeve.toml"
        );
    }
}

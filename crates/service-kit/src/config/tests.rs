//! What the configuration promises, said as tests.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use super::*;

static SETTINGS: &[Setting] = &[
    setting("data-dir", Some("./data"), Kind::Path),
    setting("gateway.listen", Some("127.0.0.1:8080"), Kind::Text),
    setting("gateway.request-timeout", Some("30s"), Kind::Duration),
    setting("gateway.max-body", Some("65536"), Kind::Integer),
    setting(
        "gateway.origins",
        Some("https://a.example, https://b.example"),
        Kind::List,
    ),
    setting("gateway.compress", Some("true"), Kind::Bool),
    setting("telemetry.otlp-endpoint", None, Kind::Url),
    setting("limits.burst", None, Kind::Integer),
    Setting {
        key: "intake.database-url",
        help: "Where the ledger is.",
        default: None,
        secret: true,
        kind: Kind::Url,
    },
    Setting {
        key: "intake.receivers",
        help: "Where things go.",
        default: Some("https://h/zero"),
        secret: true,
        kind: Kind::List,
    },
];

const fn setting(key: &'static str, default: Option<&'static str>, kind: Kind) -> Setting {
    Setting {
        key,
        help: "What it is for, in a sentence or two.",
        default,
        secret: false,
        kind,
    }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn resolve(
    file: &str,
    env: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Config, ConfigErrors> {
    Config::resolve(
        SETTINGS,
        Some(("./portreeve.toml", file)),
        pairs(env),
        &pairs(flags),
    )
}

fn messages(result: Result<Config, ConfigErrors>) -> Vec<String> {
    result
        .unwrap_err()
        .0
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn later_sources_win_and_say_where_they_are() {
    let file = "[gateway]\nlisten = \"file:1\"\nmax-body = 1_000\nrequest-timeout = \"5m\"\n";
    let env = [
        ("PORTREEVE_GATEWAY__LISTEN", "env:1"),
        ("PORTREEVE_GATEWAY__MAX_BODY", "2000"),
    ];
    let config = resolve(file, &env, &[("gateway.listen", "flag:1")]).unwrap();
    assert_eq!(config.text("gateway.listen"), "flag:1");
    assert_eq!(config.int("gateway.max-body"), 2000);
    assert_eq!(
        config.duration("gateway.request-timeout"),
        Duration::from_secs(300)
    );
    assert_eq!(config.path("data-dir"), Path::new("./data"));
    assert!(config.bool("gateway.compress"));
    assert_eq!(
        config.list("gateway.origins"),
        ["https://a.example", "https://b.example"]
    );
    assert_eq!(config.optional("telemetry.otlp-endpoint"), None);
    let origins: Vec<_> = config
        .effective()
        .into_iter()
        .map(|row| (row.key, row.value, row.origin))
        .collect();
    let row = |key, value: &str, origin: &str| (key, value.to_owned(), origin.to_owned());
    assert_eq!(origins[0], row("data-dir", "./data", "default"));
    assert_eq!(
        origins[1],
        row("gateway.listen", "flag:1", "flag --gateway-listen")
    );
    let line = "file ./portreeve.toml line 4";
    assert_eq!(origins[2], row("gateway.request-timeout", "5m", line));
    let variable = "environment PORTREEVE_GATEWAY__MAX_BODY";
    assert_eq!(origins[3], row("gateway.max-body", "2000", variable));
    assert_eq!(
        origins[6],
        row("telemetry.otlp-endpoint", "(not set)", "default")
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let file = "datadir = \"x\"\n\n[gateway]\nlisten = 5\nmax-body = \"many\"\n\n[zebra]\nx = 1\n";
    let env = [
        ("PORTREEVE_GATEWAY__LISTN", "x"),
        ("PORTREEVE_GATEWAY__COMPRESS", "yes"),
        ("HOME", "/"),
    ];
    let found = messages(resolve(file, &env, &[("gateway.request-timeout", "30")]));
    let expected = [
        "file ./portreeve.toml line 1: no setting is called datadir; perhaps data-dir?",
        "file ./portreeve.toml line 7: no setting is called zebra",
        "file ./portreeve.toml line 4: gateway.listen needs a text",
        "file ./portreeve.toml line 5: gateway.max-body needs a whole number",
        "environment PORTREEVE_GATEWAY__COMPRESS: gateway.compress needs true or false, not \"yes\"",
        "environment PORTREEVE_GATEWAY__LISTN: no variable is called PORTREEVE_GATEWAY__LISTN; \
         perhaps PORTREEVE_GATEWAY__LISTEN?",
        "flag --gateway-request-timeout: gateway.request-timeout needs a number and its unit, as in \
         250ms, 30s, 5m, 24h or 7d, not \"30\"",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_file_that_is_not_toml_is_reported_with_its_line() {
    let found = messages(resolve("data-dir = \"x\"\n[gateway\n", &[], &[]));
    assert!(
        found[0].starts_with("file ./portreeve.toml line 2: not TOML"),
        "{found:?}"
    );
}

#[test]
fn an_empty_value_counts_as_not_given() {
    let config = resolve("", &[("PORTREEVE_DATA_DIR", "")], &[]).unwrap();
    assert_eq!(config.text("data-dir"), "./data");
}

#[test]
fn a_secret_is_shown_nowhere() {
    let env = [(
        "PORTREEVE_INTAKE__DATABASE_URL",
        "postgres://u:hunter2@h/db",
    )];
    let config = resolve("", &env, &[]).unwrap();
    assert_eq!(
        config.text("intake.database-url"),
        "postgres://u:hunter2@h/db"
    );
    assert!(!format!("{config:?}").contains("hunter2"));
    let wrong = [("PORTREEVE_INTAKE__DATABASE_URL", "hunter2")];
    assert!(
        !messages(resolve("", &wrong, &[]))
            .concat()
            .contains("hunter2")
    );
    let broken = resolve("[intake]\ndatabase-url = \"hunter2\n", &[], &[]);
    assert!(!messages(broken).concat().contains("hunter2"));
}

#[test]
fn a_secret_may_be_in_a_file_of_its_own() {
    let path = std::env::temp_dir().join(format!("kit-secret-{}", std::process::id()));
    std::fs::write(&path, "postgres://from/file\n").unwrap();
    let given = format!("file:{}", path.display());
    let config = resolve("", &[], &[("intake.database-url", &given)]).unwrap();
    assert_eq!(config.text("intake.database-url"), "postgres://from/file");
    std::fs::remove_file(&path).unwrap();
    let found = messages(resolve("", &[], &[("intake.database-url", &given)]));
    assert!(
        found[0].contains("intake.database-url cannot be read from"),
        "{found:?}"
    );
}

#[test]
fn each_text_of_a_list_of_secrets_may_be_in_a_file_of_its_own() {
    let path = std::env::temp_dir().join(format!("kit-secrets-{}", std::process::id()));
    std::fs::write(&path, "nats://u:hunter2@h/one\n").unwrap();
    let file = format!("file:{}", path.display());
    let expected = ["nats://u:hunter2@h/one", "https://h/two"];
    let toml = format!("[intake]\nreceivers = [\"{file}\", \"https://h/two\"]\n");
    let from_file = resolve(&toml, &[], &[]).unwrap();
    assert_eq!(from_file.list("intake.receivers"), expected);
    assert!(!format!("{from_file:?}").contains("hunter2"));
    let variable = format!("{file}, https://h/two");
    let env = [("PORTREEVE_INTAKE__RECEIVERS", variable.as_str())];
    let config = resolve("", &env, &[]).unwrap();
    assert_eq!(config.list("intake.receivers"), expected);
    std::fs::remove_file(&path).unwrap();
    let found = messages(resolve(&toml, &[], &[]));
    assert!(
        found[0].contains("intake.receivers cannot be read from"),
        "{found:?}"
    );
    // What is no secret is taken as it is written.
    let env = [("PORTREEVE_GATEWAY__ORIGINS", file.as_str())];
    assert_eq!(
        resolve("", &env, &[]).unwrap().list("gateway.origins"),
        [file]
    );
}

#[test]
fn the_example_file_is_valid_with_and_without_its_comments() {
    let text = commented_file(SETTINGS);
    let defaults = resolve("", &[], &[]).unwrap();
    let commented = resolve(&text, &[], &[]).unwrap();
    assert_eq!(commented.effective(), defaults.effective());
    let uncommented: String = text
        .lines()
        .map(
            |line| match line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')) {
                Some(setting) => format!("{setting}\n"),
                None => format!("{line}\n"),
            },
        )
        .collect();
    let values = |config: Config| -> Vec<_> {
        config
            .effective()
            .into_iter()
            .map(|row| (row.key, row.value))
            .collect()
    };
    assert_eq!(
        values(resolve(&uncommented, &[], &[]).unwrap()),
        values(defaults),
        "{uncommented}"
    );
}

#[test]
fn durations_need_their_unit() {
    assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
    assert_eq!(parse_duration("24h"), Some(Duration::from_secs(86_400)));
    for wrong in [
        "",
        "30",
        "s",
        "-5s",
        "1.5h",
        "5 s",
        "99999999999999999999s",
        "9999999999999999d",
    ] {
        assert_eq!(parse_duration(wrong), None, "{wrong}");
    }
}

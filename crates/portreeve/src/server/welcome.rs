//! The first start's key: shown once, with what to do next.
//!
//! Role: a box on standard error, or a private file when the operator named one.
//! Invariants: the secret is on no log line and nowhere on disk unless `admin-key-file` says so.
//! Failure story: a file that cannot be made shows the key instead: it exists now and cannot be shown later.

use std::net::SocketAddr;

use service_kit::config::Config;

use crate::{
    out::{self, Ink},
    private_file,
    trouble::Trouble,
};

fn export(path: &std::path::Path, key: &str) -> Result<(), Trouble> {
    let mut file = private_file::create(path)?;
    private_file::write(&mut file, path, key)
}

/// Shows where the house is, and its first key when there is one.
pub(super) fn show(gateway: SocketAddr, key: Option<&str>, config: &Config) {
    if let Some(key) = key {
        first_key(gateway, key, config);
    }
}

/// Shows or exports the first key.
pub(super) fn first_key(gateway: SocketAddr, key: &str, config: &Config) {
    if config.is_set("admin-key-file") {
        let path = config.path("admin-key-file");
        match export(path, key) {
            Ok(()) => {
                out::note(format!(
                    "the first administrator key is in {}",
                    path.display()
                ));
                return;
            }
            Err(trouble) => out::note(format!("{trouble}; the key is shown here instead")),
        }
    }
    let scheme = match config.is_set("gateway.tls-certificate") {
        true => "https",
        false => "http",
    };
    out::note(boxed(scheme, gateway, key, out::stderr_is_terminal()));
}

fn boxed(scheme: &str, gateway: SocketAddr, key: &str, terminal: bool) -> String {
    let usual = scheme == "http" && gateway.port() == 8080 && gateway.ip().is_loopback();
    let server = if usual {
        String::new()
    } else {
        format!("export PORTREEVE_SERVER={scheme}://{gateway}")
    };
    let lines = [
        "The first administrator key. It is shown now and never again:",
        "",
        key,
        "",
        "Next, in another terminal:",
        "",
        &format!("export PORTREEVE_KEY={key}"),
        &server,
        "portreeve whoami",
        "portreeve catalogue apply deploy/demo/catalogue.toml",
        "portreeve key create --name ria --role requester \\",
        "    --scope institution:north --secret-file ria.key",
        "portreeve --key-file ria.key request submit \\",
        "    --institution north --product alma --source 9.9.9.9 \\",
        "    --destination alma.north.example --service https \\",
        "    --for '14 days' --justification 'Trying it out' \\",
        "    --contact-email you@north.example",
    ];
    let skip_server = server.is_empty();
    let lines: Vec<&str> = lines
        .into_iter()
        .enumerate()
        .filter(|(place, _)| !(skip_server && *place == 7))
        .map(|(_, line)| line)
        .collect();
    let width = lines
        .iter()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or_default();
    let mut text = format!("\n┌─{}─┐\n", "─".repeat(width));
    for line in lines {
        let padding = " ".repeat(width - line.chars().count());
        let line = if line == key {
            out::ink(terminal, Ink::Bold, line)
        } else {
            line.to_owned()
        };
        text.push_str(&format!("│ {line}{padding} │\n"));
    }
    text.push_str(&format!("└─{}─┘\n", "─".repeat(width)));
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn the_box_is_straight_and_names_the_server_only_when_it_is_elsewhere() {
        let usual = boxed(
            "http",
            "127.0.0.1:8080".parse().unwrap(),
            "prk_secret",
            false,
        );
        assert!(!usual.contains("PORTREEVE_SERVER"));
        let widths: std::collections::BTreeSet<usize> = usual
            .trim()
            .lines()
            .map(|line| line.chars().count())
            .collect();
        assert_eq!(widths.len(), 1, "{usual}");
        let elsewhere = boxed(
            "https",
            "127.0.0.1:9999".parse().unwrap(),
            "prk_secret",
            false,
        );
        assert!(elsewhere.contains("PORTREEVE_SERVER=https://127.0.0.1:9999"));
    }
}

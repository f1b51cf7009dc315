//! How the connections of a process are kept from others.
//!
//! Role: from the settings `tls.*` to the listener and the channels of a service that runs alone, and from
//! `gateway.tls-*` to the edge.
//! Invariants: what leaves this machine between services is encrypted and both sides show certificates, unless the
//! operator chose `tls.plaintext`; each service is called by those alone that have something to ask of it
//! ([`Role::callers`]). All services in one process need no certificate: their calls never leave it.
//! Failure story: a setting that would speak in clear where it may not stops the start, with what to do.

use std::net::{IpAddr, SocketAddr};

use service_kit::{
    channel::{ClientChannel, Target, connect},
    clock::Clock,
    config::{Config, Origin},
    serve::ListenOn,
    shutdown::Shutdown,
    tls::{MutualTls, ServerTls, TlsFiles},
};
use tokio::net::TcpListener;
use tonic::transport::Uri;

use super::{Role, parts::Running};
use crate::trouble::Trouble;

/// The settings that name the files.
const FILES: [&str; 3] = ["tls.certificate", "tls.key", "tls.ca"];

/// How one service that runs alone listens and calls.
pub(super) struct Transport<'c> {
    config: &'c Config,
    mutual: Option<MutualTls>,
}

impl<'c> Transport<'c> {
    /// Reads the files, where there are any.
    ///
    /// # Errors
    /// [`Trouble::Usage`] for files that cannot be used, or for some of them alone.
    pub(super) fn of(config: &'c Config, role: Role) -> Result<Self, Trouble> {
        let given = FILES.iter().filter(|file| config.is_set(file)).count();
        let mutual = match given {
            0 => None,
            3 => {
                let files = TlsFiles {
                    certificate: config.path("tls.certificate").to_owned(),
                    key: config.path("tls.key").to_owned(),
                    authorities: config.path("tls.ca").to_owned(),
                };
                let read = MutualTls::load(files, role.name(), role.callers());
                Some(read.map_err(|error| Trouble::Usage(error.to_string()))?)
            }
            _ => {
                return Err(Trouble::Usage(
                    "tls.certificate, tls.key and tls.ca belong together: give all three or none"
                        .into(),
                ));
            }
        };
        Ok(Self { config, mutual })
    }

    /// Follows the files while the process runs.
    pub(super) fn follow(&self, running: &mut Running, stop: &Shutdown) {
        if let Some(mutual) = &self.mutual {
            follow(ServerTls::mutual(mutual), self.config, running, stop);
        }
    }

    /// The channel to `peer`.
    ///
    /// # Errors
    /// [`Trouble::Usage`] for an address that cannot be used, or that leads away from this machine in clear.
    pub(super) fn peer(&self, peer: Role) -> Result<ClientChannel, Trouble> {
        let setting = peer.address_setting();
        let text = self.config.text(setting);
        let wrong = |why: String| Trouble::Usage(format!("{setting}: {why}"));
        let uri: Uri = text
            .parse()
            .map_err(|error| wrong(format!("'{text}' is no address: {error}")))?;
        let is_default = self.config.origin(setting) == Some(&Origin::Default);
        let target = match (&self.mutual, uri.scheme_str()) {
            (Some(mutual), Some("https")) => Target::Tls(uri, mutual.client(peer.name())),
            // The address alone is given by default: what is spoken there follows from the files.
            (Some(mutual), _) if is_default => Target::Tls(uri, mutual.client(peer.name())),
            (Some(_), _) => {
                return Err(wrong(format!(
                    "'{text}' is in clear, and this process has a certificate; write https://"
                )));
            }
            (None, Some("https")) => {
                return Err(wrong(format!(
                    "'{text}' needs a certificate: set tls.certificate, tls.key and tls.ca ('portreeve certs' makes \
                     some to try)"
                )));
            }
            (None, _) => {
                if !is_this_machine(uri.host().unwrap_or_default()) {
                    self.in_clear(setting, text)?;
                }
                Target::Tcp(uri)
            }
        };
        Ok(connect(target, None))
    }

    /// The listener of a service, bound at `bound`.
    ///
    /// # Errors
    /// [`Trouble::Usage`] where others could reach it in clear.
    pub(super) fn listen_on(
        &self,
        listener: TcpListener,
        bound: SocketAddr,
    ) -> Result<ListenOn, Trouble> {
        match &self.mutual {
            Some(mutual) => Ok(ListenOn::Tls(listener, ServerTls::mutual(mutual))),
            None => {
                if !bound.ip().is_loopback() {
                    self.in_clear("listen", &bound.to_string())?;
                }
                Ok(ListenOn::Tcp(listener))
            }
        }
    }

    /// Whether the operator chose to speak in clear beyond this machine.
    fn in_clear(&self, setting: &str, address: &str) -> Result<(), Trouble> {
        if self.config.bool("tls.plaintext") {
            tracing::warn!(
                setting,
                address,
                "services speak in clear beyond this machine: tls.plaintext is set"
            );
            return Ok(());
        }
        Err(Trouble::Usage(format!(
            "{setting}: {address} is not this machine alone, and services would speak in clear there; set \
             tls.certificate, tls.key and tls.ca ('portreeve certs' makes some to try), or choose tls.plaintext = true \
             for a network that you trust whole"
        )))
    }
}

/// The certificate of the edge, where there is one; its files are followed while the process runs.
///
/// # Errors
/// [`Trouble::Usage`] for files that cannot be used, or for one of them alone.
pub(super) fn edge(config: &Config) -> Result<Option<ServerTls>, Trouble> {
    match (
        config.is_set("gateway.tls-certificate"),
        config.is_set("gateway.tls-key"),
    ) {
        (false, false) => Ok(None),
        (true, true) => {
            let certificate = config.path("gateway.tls-certificate");
            let tls = ServerTls::edge(certificate, config.path("gateway.tls-key"));
            tls.map(Some)
                .map_err(|error| Trouble::Usage(error.to_string()))
        }
        _ => Err(Trouble::Usage(
            "gateway.tls-certificate and gateway.tls-key belong together: give both or none".into(),
        )),
    }
}

/// Follows the files of `tls` while the process runs.
pub(super) fn follow(tls: ServerTls, config: &Config, running: &mut Running, stop: &Shutdown) {
    let every = config.duration("tls.look-every");
    let following = tls.follow(every, Clock::system(), stop.clone());
    running.watch(vec![("tls files", tokio::spawn(following))]);
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = host.parse().ok();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| {
        address.is_loopback()
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use std::collections::BTreeMap;

    use super::*;

    fn config(given: &[(&str, &str)]) -> Config {
        let flags: BTreeMap<String, String> = given
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Config::resolve(crate::settings::all(), None, [], &flags).unwrap()
    }

    #[tokio::test]
    async fn in_clear_nothing_leaves_this_machine_unless_it_is_chosen() {
        let peer = |given: &[(&str, &str)]| {
            let config = config(given);
            let transport = Transport::of(&config, Role::Gateway).unwrap();
            transport.peer(Role::Intake).map(drop)
        };
        for here in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost:1"] {
            assert!(peer(&[("peers.intake", here)]).is_ok(), "{here}");
        }
        for away in [
            "http://10.0.0.1:1",
            "http://intake:7101",
            "http://[2001:db8::1]:1",
        ] {
            let refused = peer(&[("peers.intake", away)]).unwrap_err().to_string();
            assert!(refused.contains("tls.plaintext"), "{refused}");
            let chosen = [("peers.intake", away), ("tls.plaintext", "true")];
            assert!(peer(&chosen).is_ok(), "{away}");
        }
        let refused = peer(&[("peers.intake", "https://intake:7101")]).unwrap_err();
        assert!(refused.to_string().contains("tls.certificate"), "{refused}");
        let half = config(&[("tls.ca", "ca.crt")]);
        assert!(Transport::of(&half, Role::Gateway).is_err());
    }

    #[tokio::test]
    async fn a_service_that_others_can_reach_does_not_listen_in_clear() {
        let plain = config(&[]);
        let transport = Transport::of(&plain, Role::Intake).unwrap();
        let listen = async |address: &str| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            transport
                .listen_on(listener, address.parse().unwrap())
                .map(drop)
        };
        assert!(listen("127.0.0.1:7101").await.is_ok());
        assert!(listen("[::1]:7101").await.is_ok());
        assert!(listen("0.0.0.0:7101").await.is_err());
        assert!(listen("10.0.0.1:7101").await.is_err());
    }
}

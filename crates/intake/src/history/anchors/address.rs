//! Where heads are sent: the URLs of `intake.history-heads-to`, parsed.
//!
//! Role: `https://[user:password@]host/path` is a receiver by HTTP, `nats://[user:password@]host:port/SUBJECT` (or
//! `tls://`) a subject of a broker; a name alone before the `@` is a token.
//! Invariants: http leads to this very machine alone, because a head that is altered on its way anchors nothing; an
//! error and [`AnchorAddress::name`] hold no login, no path of a receiver and no query, which may be secrets (I9).
//! Failure story: an [`AddressError`] at start.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// The most URLs.
pub const MAX_ANCHORS: usize = 8;

/// Longest subject, in bytes.
const MAX_SUBJECT_BYTES: usize = 200;

/// Where heads are sent.
#[derive(Clone, PartialEq, Eq)]
pub struct AnchorAddress {
    name: String,
    way: Way,
}

/// How they get there.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Way {
    Post {
        to: Uri,
        authorization: Option<HeaderValue>,
    },
    Broker {
        /// Scheme, host and port.
        server: String,
        subject: String,
        login: Login,
    },
}

/// Who this is to the broker.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    None,
    Token(String),
    User { name: String, password: String },
}

/// Why heads cannot be sent there. Never quotes the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No URL with a host.
    #[error("it is no URL with a host")]
    Malformed,
    /// Another protocol.
    #[error("write https://, nats:// or tls://")]
    Scheme,
    /// In clear to another machine.
    #[error("http is for this machine alone; write https://")]
    Plain,
    /// No subject, or not one.
    #[error("write one subject behind the host, without wildcards: nats://host:4222/SUBJECT")]
    Subject,
    /// More than is understood.
    #[error("leave out what follows '?' or '#'")]
    Trailing,
}

impl AnchorAddress {
    /// For logs and metrics: scheme, host and port, and a broker's subject.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether `name` is this one's, or was made from it for another address.
    pub(super) fn is_named(&self, name: &str) -> bool {
        name.strip_prefix(&self.name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
    }

    pub(super) const fn way(&self) -> &Way {
        &self.way
    }
}

impl fmt::Debug for AnchorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnchorAddress").field(&self.name).finish()
    }
}

impl std::str::FromStr for AnchorAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url: Url = text.trim().parse().map_err(|_| AddressError::Malformed)?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(AddressError::Malformed);
        }
        match url.scheme() {
            "https" => receiver(url),
            "http" if is_here(&url) => receiver(url),
            "http" => Err(AddressError::Plain),
            "nats" | "tls" => broker(&url),
            _ => Err(AddressError::Scheme),
        }
    }
}

fn receiver(mut url: Url) -> Result<AnchorAddress, AddressError> {
    if url.fragment().is_some() {
        return Err(AddressError::Trailing);
    }
    let user = decoded(url.username())?;
    let password = decoded(url.password().unwrap_or_default())?;
    let authorization = if user.is_empty() && password.is_empty() {
        None
    } else {
        let basic = STANDARD.encode(format!("{user}:{password}"));
        let mut value = HeaderValue::from_str(&format!("Basic {basic}"))
            .map_err(|_| AddressError::Malformed)?;
        value.set_sensitive(true);
        Some(value)
    };
    url.set_username("").map_err(|()| AddressError::Malformed)?;
    url.set_password(None)
        .map_err(|()| AddressError::Malformed)?;
    Ok(AnchorAddress {
        name: server(&url, url.port())?,
        way: Way::Post {
            to: url.as_str().parse().map_err(|_| AddressError::Malformed)?,
            authorization,
        },
    })
}

fn broker(url: &Url) -> Result<AnchorAddress, AddressError> {
    if url.query().is_some() || url.fragment().is_some() {
        return Err(AddressError::Trailing);
    }
    let subject = url.path().strip_prefix('/').unwrap_or_default();
    let is_subject = subject.len() <= MAX_SUBJECT_BYTES
        && subject.split('.').all(|token| {
            !token.is_empty()
                && token
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && !b"*>/%".contains(&byte))
        });
    if !is_subject {
        return Err(AddressError::Subject);
    }
    let user = decoded(url.username())?;
    let login = match url.password() {
        Some(password) => Login::User {
            name: user,
            password: decoded(password)?,
        },
        None if user.is_empty() => Login::None,
        None => Login::Token(user),
    };
    let server = server(url, Some(url.port().unwrap_or(4222)))?;
    Ok(AnchorAddress {
        name: format!("{server}/{subject}"),
        way: Way::Broker {
            server,
            subject: subject.to_owned(),
            login,
        },
    })
}

fn server(url: &Url, port: Option<u16>) -> Result<String, AddressError> {
    let host = url.host_str().ok_or(AddressError::Malformed)?;
    Ok(match port {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    })
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn decoded(text: &str) -> Result<String, AddressError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| AddressError::Malformed)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn read(text: &str) -> Result<AnchorAddress, AddressError> {
        text.parse()
    }

    #[test]
    fn a_receiver_has_its_login_in_a_header() {
        let address = read("https://an%20na:p%40ss@Keep.example:8443/heads?token=x").unwrap();
        assert_eq!(address.name(), "https://keep.example:8443");
        let Way::Post { to, authorization } = address.way() else {
            unreachable!("it is posted");
        };
        assert_eq!(to, "https://keep.example:8443/heads?token=x");
        let basic = STANDARD.encode("an na:p@ss");
        let value = authorization.as_ref().unwrap();
        assert_eq!(value.to_str().unwrap(), format!("Basic {basic}"));
        assert!(value.is_sensitive());
    }

    #[test]
    fn a_broker_has_a_subject_and_a_login() {
        let cases = [
            (
                "nats://127.0.0.1:4333/heads.house",
                "nats://127.0.0.1:4333",
                Login::None,
            ),
            (
                "tls://broker.example/heads.house",
                "tls://broker.example:4222",
                Login::None,
            ),
            (
                "nats://s3cret@[::1]:1/heads.house",
                "nats://[::1]:1",
                Login::Token("s3cret".into()),
            ),
            (
                "tls://house:p%2Fw@broker.example:1/heads.house",
                "tls://broker.example:1",
                Login::User {
                    name: "house".into(),
                    password: "p/w".into(),
                },
            ),
        ];
        for (text, at, who) in cases {
            let address = read(text).unwrap();
            let Way::Broker {
                server,
                subject,
                login,
            } = address.way()
            else {
                unreachable!("it is published");
            };
            assert!(
                server == at && subject == "heads.house" && *login == who,
                "{text}"
            );
            assert_eq!(address.name(), format!("{at}/heads.house"));
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_not_quoted() {
        use AddressError::{Malformed, Plain, Scheme, Subject, Trailing};
        for (text, error) in [
            ("", Malformed),
            ("keep.example/secret", Malformed),
            ("https://", Malformed),
            ("nats:///secret", Malformed),
            ("https://u:secret%FF@keep.example/", Malformed),
            ("ftp://keep.example/secret", Scheme),
            ("http://keep.example/secret", Plain),
            ("http://127.0.0.1.example/secret", Plain),
            ("http://192.0.2.1/secret", Plain),
            ("https://keep.example/#secret", Trailing),
            ("nats://host/secret?x=1", Trailing),
            ("nats://host", Subject),
            ("nats://host/", Subject),
            ("nats://host/secret.>", Subject),
            ("nats://host/secret.*", Subject),
            ("nats://host/a..secret", Subject),
            ("nats://host/a/secret", Subject),
            ("nats://host/a%20secret", Subject),
        ] {
            let found = read(text).unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("secret"), "{text}");
        }
        for here in [
            "http://127.0.0.1:9/x",
            "http://[::1]/",
            "http://localhost:3000",
        ] {
            assert!(read(here).is_ok(), "{here}");
        }
    }

    #[test]
    fn a_secret_is_shown_nowhere() {
        for text in [
            "https://me:secret@keep.example/secret?secret",
            "nats://me:secret@broker.example/heads",
            "nats://secret@broker.example/heads",
        ] {
            let shown = format!("{:?}", read(text).unwrap());
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}

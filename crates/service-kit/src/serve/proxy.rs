//! The PROXY protocol, version 2: who really connects, told by a load balancer before the first byte of the request.
//!
//! Role: connections from configured networks must begin with a header of version 2, and their peer is whom it names;
//! connections from anywhere else are what they are, and a header there is no request.
//! Invariants: nobody but those networks is believed; at most [`MAX_BYTES`] are read, for at most [`TIMEOUT`]; not one
//! byte behind the header is taken. Extensions (TLVs) are passed over. Version 1 is text and is not spoken.
//! Failure story: a header that is missing, malformed, too long or too slow ends the connection without an answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::clock::Clock;

/// What every header begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version, family, length.
const HEAD_BYTES: usize = 16;

/// Largest header behind the head, in bytes: the longest addresses and ample extensions.
const MAX_BYTES: usize = 2048;

/// Longest that a header may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The networks whose connections begin with a header. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ProxyProtocol {
    from: Arc<[IpNet]>,
}

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It does not begin with the signature of version 2.
    #[error("the header of the PROXY protocol, version 2, is missing")]
    Missing,
    /// The header says something that it cannot.
    #[error("the header of the PROXY protocol is malformed")]
    Malformed,
    /// More bytes than are read.
    #[error("the header of the PROXY protocol is too long")]
    TooLong,
    /// It did not come in time.
    #[error("the header of the PROXY protocol did not come in time")]
    TooSlow,
}

impl ProxyProtocol {
    /// Reads networks such as `10.0.0.0/8`; the error names the one that is none.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn new(networks: &[String]) -> Result<Self, String> {
        let from = networks
            .iter()
            .map(|text| {
                let text = text.trim();
                text.parse::<IpNet>()
                    .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                    .map_err(|_| format!("'{text}' is no network; write it as in 10.0.0.0/8"))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { from })
    }

    /// Whether connections from `address` begin with a header.
    pub fn expects(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.from.iter().any(|network| network.contains(&address))
    }

    /// Who connects: `peer`, or whom the header of its connection names.
    ///
    /// # Errors
    /// [`ProxyError`]; the connection is of no use then.
    pub async fn peer<IO: AsyncRead + Unpin>(
        &self,
        io: &mut IO,
        peer: SocketAddr,
    ) -> Result<SocketAddr, ProxyError> {
        if !self.expects(peer.ip()) {
            return Ok(peer);
        }
        let read = Clock::system().timeout(TIMEOUT, header(io)).await;
        let told = read.map_err(|_| ProxyError::TooSlow)??;
        Ok(told.unwrap_or(peer))
    }
}

/// Reads a header and nothing behind it. `None`: the connection is the proxy's own.
async fn header<IO: AsyncRead + Unpin>(io: &mut IO) -> Result<Option<SocketAddr>, ProxyError> {
    let mut head = [0; HEAD_BYTES];
    // Byte by byte as far as the signature holds, so that what is none ends at its first wrong byte.
    for place in 0..SIGNATURE.len() {
        let byte = io.read_u8().await.map_err(|_| ProxyError::Missing)?;
        if SIGNATURE.get(place) != Some(&byte) {
            return Err(ProxyError::Missing);
        }
        if let Some(slot) = head.get_mut(place) {
            *slot = byte;
        }
    }
    io.read_exact(&mut head[SIGNATURE.len()..])
        .await
        .map_err(|_| ProxyError::Malformed)?;
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if length > MAX_BYTES {
        return Err(ProxyError::TooLong);
    }
    let mut rest = vec![0; length];
    io.read_exact(&mut rest)
        .await
        .map_err(|_| ProxyError::Malformed)?;
    read(head[12], head[13], &rest)
}

/// What the header says: its version and command, its family and transport, and the bytes behind the head.
fn read(command: u8, family: u8, rest: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    if command >> 4 != 2 {
        return Err(ProxyError::Malformed);
    }
    match (command & 0xf, family) {
        // LOCAL: the proxy asks for itself, as in a health check. Whatever else it says is passed over.
        (0, _) => Ok(None),
        // PROXY, over TCP.
        (1, 0x11) => match rest {
            [a, b, c, d, _, _, _, _, high, low, _, _, extensions @ ..] => {
                check(extensions)?;
                let address = Ipv4Addr::new(*a, *b, *c, *d);
                let port = u16::from_be_bytes([*high, *low]);
                Ok(Some(SocketAddr::new(address.into(), port)))
            }
            _ => Err(ProxyError::Malformed),
        },
        (1, 0x21) => {
            let (source, rest) = rest
                .split_first_chunk::<16>()
                .ok_or(ProxyError::Malformed)?;
            let (_, rest) = rest
                .split_first_chunk::<16>()
                .ok_or(ProxyError::Malformed)?;
            let (ports, extensions) = rest.split_first_chunk::<4>().ok_or(ProxyError::Malformed)?;
            check(extensions)?;
            let address = IpAddr::V6(Ipv6Addr::from(*source)).to_canonical();
            let port = u16::from_be_bytes([ports[0], ports[1]]);
            Ok(Some(SocketAddr::new(address, port)))
        }
        // PROXY of a family that it does not name: whoever it is, the connection is all that is known.
        (1, 0x00) => Ok(None),
        _ => Err(ProxyError::Malformed),
    }
}

/// Extensions are passed over, but they have to be whole: type, length, value.
fn check(mut extensions: &[u8]) -> Result<(), ProxyError> {
    while let [_, high, low, rest @ ..] = extensions {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        extensions = rest.get(length..).ok_or(ProxyError::Malformed)?;
    }
    if extensions.is_empty() {
        Ok(())
    } else {
        Err(ProxyError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn bytes(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    const IPV4: [u8; 12] = [203, 0, 113, 7, 198, 51, 100, 1, 0x12, 0x34, 1, 187];

    fn ipv6(address: &str) -> Vec<u8> {
        let mut rest = address.parse::<Ipv6Addr>().unwrap().octets().to_vec();
        rest.extend([0; 16]);
        rest.extend([0x12, 0x34, 1, 187]);
        rest
    }

    /// A header, and the address or the refusal that it leads to.
    type Case<'c> = (Vec<u8>, Result<Option<&'c str>, ProxyError>);

    #[tokio::test]
    async fn headers_are_believed_as_far_as_they_are_whole() {
        let with = |rest: &[u8], more: &[u8]| [rest, more].concat();
        let cases: [Case<'_>; 18] = [
            (bytes(0x21, 0x11, &IPV4), Ok(Some("203.0.113.7:4660"))),
            (
                bytes(0x21, 0x21, &ipv6("2001:db8::7")),
                Ok(Some("[2001:db8::7]:4660")),
            ),
            // IPv4 in IPv6 clothes is IPv4.
            (
                bytes(0x21, 0x21, &ipv6("::ffff:203.0.113.7")),
                Ok(Some("203.0.113.7:4660")),
            ),
            // Extensions are passed over, broken ones are not.
            (
                bytes(0x21, 0x11, &with(&IPV4, &[4, 0, 2, 9, 9])),
                Ok(Some("203.0.113.7:4660")),
            ),
            (
                bytes(0x21, 0x11, &with(&IPV4, &[4, 0, 3, 9, 9])),
                Err(ProxyError::Malformed),
            ),
            (
                bytes(0x21, 0x11, &with(&IPV4, &[4])),
                Err(ProxyError::Malformed),
            ),
            // LOCAL, with and without more.
            (bytes(0x20, 0x00, &[]), Ok(None)),
            (bytes(0x20, 0x11, &IPV4), Ok(None)),
            // A family that is not named.
            (bytes(0x21, 0x00, &[]), Ok(None)),
            // Datagrams and sockets of a file system do not come here.
            (bytes(0x21, 0x12, &IPV4), Err(ProxyError::Malformed)),
            (bytes(0x21, 0x31, &[0; 216]), Err(ProxyError::Malformed)),
            // Another version, another command, too few bytes.
            (bytes(0x11, 0x11, &IPV4), Err(ProxyError::Malformed)),
            (bytes(0x2f, 0x11, &IPV4), Err(ProxyError::Malformed)),
            (bytes(0x21, 0x11, &IPV4[..11]), Err(ProxyError::Malformed)),
            (bytes(0x21, 0x21, &IPV4), Err(ProxyError::Malformed)),
            // More than is read, and the connection that breaks off.
            (
                bytes(0x21, 0x11, &[0; MAX_BYTES + 1]),
                Err(ProxyError::TooLong),
            ),
            (
                bytes(0x21, 0x11, &IPV4)[..20].to_vec(),
                Err(ProxyError::Malformed),
            ),
            // Version 1, and a request without a header.
            (
                b"PROXY TCP4 203.0.113.7 198.51.100.1 4660 443\r\n".to_vec(),
                Err(ProxyError::Missing),
            ),
        ];
        for (bytes, expected) in cases {
            let mut io = bytes.as_slice();
            let found = header(&mut io).await;
            let expected = expected.map(|told| told.map(|told| told.parse().unwrap()));
            assert_eq!(found, expected, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn only_configured_networks_speak_it_and_nothing_behind_it_is_taken() {
        let proxies = ProxyProtocol::new(&["10.0.0.0/8".into(), " 2001:db8::1 ".into()]).unwrap();
        let stranger: SocketAddr = "9.9.9.9:1".parse().unwrap();
        let mut io = b"GET / HTTP/1.1\r\n".as_slice();
        assert_eq!(proxies.peer(&mut io, stranger).await, Ok(stranger));
        assert_eq!(io.len(), 16, "not one byte was read");
        let header = [bytes(0x21, 0x11, &IPV4).as_slice(), b"GET"].concat();
        let mut io = header.as_slice();
        let found = proxies
            .peer(&mut io, "[::ffff:10.1.2.3]:1".parse().unwrap())
            .await;
        assert_eq!(found, Ok("203.0.113.7:4660".parse().unwrap()));
        assert_eq!(io, b"GET");
        assert!(ProxyProtocol::new(&["10.0.0.0/33".into()]).is_err());
    }
}

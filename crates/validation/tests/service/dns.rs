//! A name server on loopback, over UDP and TCP, that answers what a test tells it.
//!
//! Role: a real server to a real resolver: the same messages on real sockets. It stops with the test's runtime.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// What a name does.
#[derive(Clone)]
pub(crate) enum Says {
    /// It has these addresses.
    Addresses(Vec<IpAddr>),
    /// It is another name for this one.
    Alias(&'static str),
    /// It has addresses, but not over UDP: the answer there is cut.
    OnlyOverTcp(Vec<IpAddr>),
    /// The server has no answer to it.
    Broken,
    /// The server says nothing at all.
    Silence,
}

/// The server. What it was not told of does not exist.
#[derive(Clone)]
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    names: Arc<Mutex<HashMap<String, Says>>>,
}

impl NameServer {
    pub(crate) async fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            // The same port may be taken for TCP; then another one is tried.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let server = Self {
            address: udp.local_addr().unwrap(),
            names: Arc::default(),
        };
        tokio::spawn(server.clone().answer_udp(udp));
        tokio::spawn(server.clone().answer_tcp(tcp));
        server
    }

    pub(crate) fn tell(&self, name: &str, says: Says) {
        self.names.lock().unwrap().insert(name.to_owned(), says);
    }

    async fn answer_udp(self, socket: UdpSocket) {
        let mut buffer = [0; 4096];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            if let Some(answer) = self.answer(&buffer[..length], false) {
                socket.send_to(&answer, peer).await.unwrap();
            }
        }
    }

    async fn answer_tcp(self, listener: TcpListener) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let server = self.clone();
            tokio::spawn(async move {
                while let Ok(length) = stream.read_u16().await {
                    let mut question = vec![0; length.into()];
                    if stream.read_exact(&mut question).await.is_err() {
                        return;
                    }
                    if let Some(answer) = server.answer(&question, true) {
                        let length = u16::try_from(answer.len()).unwrap();
                        stream.write_u16(length).await.unwrap();
                        stream.write_all(&answer).await.unwrap();
                    }
                }
            });
        }
    }

    fn answer(&self, question: &[u8], over_tcp: bool) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).unwrap();
        let query = question.queries.first().unwrap().clone();
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        let mut name: Name = query.name.clone();
        loop {
            let known = name.to_ascii();
            let says = self
                .names
                .lock()
                .unwrap()
                .get(known.trim_end_matches('.').to_ascii_lowercase().as_str())
                .cloned();
            let addresses = match says {
                Some(Says::Silence) => return None,
                None => {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                    break;
                }
                Some(Says::Broken) => {
                    answer.metadata.response_code = ResponseCode::ServFail;
                    break;
                }
                Some(Says::Alias(target)) => {
                    let target = Name::from_ascii(format!("{target}.")).unwrap();
                    let alias = RData::CNAME(CNAME(target.clone()));
                    answer.add_answer(Record::from_rdata(name, 300, alias));
                    name = target;
                    continue;
                }
                Some(Says::OnlyOverTcp(_)) if !over_tcp => {
                    answer.metadata.truncation = true;
                    break;
                }
                Some(Says::OnlyOverTcp(addresses) | Says::Addresses(addresses)) => addresses,
            };
            for address in addresses {
                let data = match address {
                    IpAddr::V4(address) => RData::A(A(address)),
                    IpAddr::V6(address) => RData::AAAA(AAAA(address)),
                };
                let wanted = match query.query_type {
                    RecordType::A => address.is_ipv4(),
                    RecordType::AAAA => address.is_ipv6(),
                    _ => false,
                };
                if wanted {
                    answer.add_answer(Record::from_rdata(name.clone(), 300, data));
                }
            }
            break;
        }
        Some(answer.to_vec().unwrap())
    }
}

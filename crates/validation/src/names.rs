//! The name service: where the destinations of a request lead, asked once while it is judged.
//!
//! Owner: validation. The only part that talks to the outside, and only when the operator switched it on; the judge
//! gets the answers handed in and stays pure. Nothing is remembered between requests: an answer is written down with
//! the request, and the next time the name is asked anew (a name can change its answer from one moment to the next).
//! Invariants: all names of a request are asked side by side under one deadline; at most [`MAX_NAMES`] names and
//! [`MAX_ADDRESSES`] addresses of each; names are asked as they stand, without search domains or a hosts file.
//! Failure story: no answer in time, or none that can be used, is [`Answer::Failed`]: a warning, never an error.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use domain::net::Hostname;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
    ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use service_kit::clock::Clock;
use tokio::task::JoinSet;

/// The most names that are asked for one request; the rest count as not looked up.
const MAX_NAMES: usize = 32;
/// The most addresses of one name that are kept.
const MAX_ADDRESSES: usize = 32;
/// The port of name servers.
const DNS_PORT: u16 = 53;

/// How names are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolving {
    /// Whom to ask; empty: the name servers of the system.
    pub name_servers: Vec<SocketAddr>,
    /// How long all names of one request may take.
    pub deadline: Duration,
}

impl Resolving {
    /// Reads `address` or `address:port`.
    ///
    /// # Errors
    /// A sentence that names the text.
    pub fn name_server(text: &str) -> Result<SocketAddr, String> {
        let text = text.trim();
        text.parse::<IpAddr>()
            .map(|address| SocketAddr::new(address, DNS_PORT))
            .or_else(|_| text.parse())
            .map_err(|_| {
                format!(
                    "'{text}' is no name server; write its address, as in 9.9.9.9 or 9.9.9.9:53"
                )
            })
    }
}

/// What the name service said of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its addresses, ascending, each once; at least one.
    Addresses(Vec<IpAddr>),
    /// There is no such name, or it has no address.
    Nothing,
    /// It could not be asked, or did not answer.
    Failed,
}

/// The name service. Cheap to clone.
#[derive(Clone)]
pub struct NameService {
    resolver: TokioResolver,
    deadline: Duration,
    clock: Clock,
}

impl NameService {
    /// The name service as set.
    ///
    /// # Errors
    /// A sentence, when the name servers of the system cannot be told.
    pub fn new(resolving: &Resolving, clock: Clock) -> Result<Self, String> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = if resolving.name_servers.is_empty() {
            TokioResolver::builder(provider).map_err(|error| error.to_string())?
        } else {
            let servers = resolving
                .name_servers
                .iter()
                .map(|server| {
                    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()]
                        .into_iter()
                        .map(|mut connection| {
                            connection.port = server.port();
                            connection
                        })
                        .collect();
                    NameServerConfig::new(server.ip(), true, connections)
                })
                .collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, provider)
        };
        options(builder.options_mut(), resolving.deadline);
        Ok(Self {
            resolver: builder.build().map_err(|error| error.to_string())?,
            deadline: resolving.deadline,
            clock,
        })
    }

    /// What the name service says of each name, in their order. Takes no longer than the deadline.
    pub async fn look_up(&self, names: Vec<Hostname>) -> Vec<(Hostname, Answer)> {
        let mut answers: Vec<(Hostname, Answer)> = names
            .into_iter()
            .map(|name| (name, Answer::Failed))
            .collect();
        let mut questions = JoinSet::new();
        for (index, (name, _)) in answers.iter().take(MAX_NAMES).enumerate() {
            let (resolver, name) = (self.resolver.clone(), name.clone());
            questions.spawn(async move { (index, ask(&resolver, &name).await) });
        }
        let gather = async {
            while let Some(done) = questions.join_next().await {
                if let Ok((index, answer)) = done
                    && let Some(place) = answers.get_mut(index)
                {
                    place.1 = answer;
                }
            }
        };
        // What has come by then counts; what has not is aborted with the set.
        let _ = self.clock.timeout(self.deadline, gather).await;
        answers
    }
}

fn options(options: &mut ResolverOpts, deadline: Duration) {
    // Two tries within the deadline.
    options.timeout = deadline / 2;
    options.attempts = 1;
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.try_tcp_on_error = true;
    options.ndots = 0;
}

/// Both families, side by side; what one of them said counts even when the other one failed.
async fn ask(resolver: &TokioResolver, name: &Hostname) -> Answer {
    let Ok(mut fqdn) = Name::from_ascii(name.as_str()) else {
        return Answer::Nothing;
    };
    fqdn.set_fqdn(true);
    let (v4, v6) = tokio::join!(
        resolver.lookup(fqdn.clone(), RecordType::A),
        resolver.lookup(fqdn, RecordType::AAAA),
    );
    let mut addresses = Vec::new();
    let mut failed = false;
    for answer in [v4, v6] {
        match answer {
            Ok(lookup) => {
                addresses.extend(
                    lookup
                        .answers()
                        .iter()
                        .filter_map(|record| match &record.data {
                            RData::A(address) => Some(IpAddr::V4(address.0)),
                            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                            _ => None,
                        }),
                )
            }
            Err(error) => failed |= !says_nothing(&error),
        }
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MAX_ADDRESSES);
    match (addresses.is_empty(), failed) {
        (false, _) => Answer::Addresses(addresses),
        (true, true) => Answer::Failed,
        (true, false) => Answer::Nothing,
    }
}

/// The server answered, and the answer is that there is nothing.
fn says_nothing(error: &NetError) -> bool {
    error.is_no_records_found()
}

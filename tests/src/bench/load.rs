//! The load generator: keep-alive HTTP/1.1 connections on one thread, as cheap as it can be.
//!
//! Role: [`run`] drives `clients` connections, each with one request in flight, as fast as they go or at a given pace,
//! and keeps every latency. With a pace, latency counts from the moment that a request was due, so that a stall is not
//! hidden by the requests that it kept from being sent.
//! Invariants: one thread, whose CPU is measured and stated; an answer with another status than the wanted one is an
//! error, whose first texts are kept.
//! Failure story: a broken connection is an error and is opened anew.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portreeve_tests::cpu;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    Outcome,
    machine::{self, CLOCK},
};

/// Makes the bytes of request number `n` of the run.
pub(crate) type Maker = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// What to run.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) clients: u64,
    /// Not counted.
    pub(crate) warm_up: Duration,
    /// Counted.
    pub(crate) length: Duration,
    /// Requests per second in all; `None`: as fast as they go.
    pub(crate) pace: Option<f64>,
    pub(crate) status: u16,
    pub(crate) make: Maker,
}

/// One answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Seconds since the counted part began.
    pub(crate) at: f64,
    pub(crate) latency_ms: f64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) samples: Vec<Sample>,
    pub(crate) errors: u64,
    pub(crate) error_texts: Vec<String>,
    /// CPU of the generator's thread divided by the time: 1 is one whole processor.
    pub(crate) generator_cpu: f64,
    pub(crate) seconds: f64,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a count of answers")]
        let count = self.samples.len() as f64;
        count / self.seconds
    }

    pub(crate) fn latencies_ms(&self) -> Vec<f64> {
        self.samples
            .iter()
            .map(|sample| sample.latency_ms)
            .collect()
    }

    /// Errors are a failure of the measurement unless the caller looks at them.
    pub(crate) fn demand_clean(self) -> Outcome<Self> {
        if self.errors > 0 {
            return Err(format!(
                "{} errors of {}: {:?}",
                self.errors,
                self.samples.len(),
                self.error_texts
            )
            .into());
        }
        Ok(self)
    }
}

/// Runs the plan on a thread of its own.
pub(crate) async fn run(plan: Plan) -> Outcome<Load> {
    let (done, load) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let outcome = runtime.map(|runtime| runtime.block_on(drive(plan)));
            // Nobody listens any more when the whole run was cut.
            let _ = done.send(outcome);
        })?;
    Ok(load.await??)
}

async fn drive(plan: Plan) -> Load {
    let begin = machine::seconds();
    let counted_from = begin + plan.warm_up.as_secs_f64();
    let end = counted_from + plan.length.as_secs_f64();
    let local = tokio::task::LocalSet::new();
    let plan = Arc::new(plan);
    let clients: Vec<_> = (0..plan.clients)
        .map(|client| {
            local.spawn_local(client_loop(
                Arc::clone(&plan),
                client,
                begin,
                counted_from,
                end,
            ))
        })
        .collect();
    let mut whole = Load::default();
    let cpu = local
        .run_until(async {
            CLOCK.sleep(plan.warm_up).await;
            let cpu_before = cpu::thread_seconds();
            for client in clients {
                match client.await {
                    Ok(part) => {
                        whole.samples.extend(part.samples);
                        whole.errors += part.errors;
                        whole.error_texts.extend(part.error_texts);
                    }
                    Err(error) => whole.error_texts.push(error.to_string()),
                }
            }
            cpu::thread_seconds() - cpu_before
        })
        .await;
    whole.error_texts.truncate(3);
    whole.seconds = plan.length.as_secs_f64();
    whole.generator_cpu = cpu / (machine::seconds() - counted_from);
    whole
}

async fn client_loop(
    plan: Arc<Plan>,
    client: u64,
    begin: f64,
    counted_from: f64,
    end: f64,
) -> Load {
    let mut load = Load::default();
    let mut connection: Option<Connection> = None;
    let mut turn = 0;
    loop {
        let number = turn * plan.clients + client;
        turn += 1;
        let due = match plan.pace {
            None => machine::seconds(),
            #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
            Some(pace) => {
                let due = begin + number as f64 / pace;
                let wait = due - machine::seconds();
                if wait > 0.0 && due < end {
                    CLOCK.sleep(Duration::from_secs_f64(wait)).await;
                }
                // The timer ticks in milliseconds: what it woke late is its own and not the house's.
                machine::seconds().min(due + 0.002).max(due)
            }
        };
        if due >= end {
            return load;
        }
        let request = (plan.make)(number);
        let outcome = exchange(&mut connection, plan.address, &request).await;
        let now = machine::seconds();
        match outcome {
            Ok((status, _)) if status == plan.status => {
                if now >= counted_from && now < end {
                    load.samples.push(Sample {
                        at: now - counted_from,
                        latency_ms: (now - due) * 1000.0,
                    });
                }
            }
            Ok((status, body)) => {
                load.errors += 1;
                if load.error_texts.len() < 3 {
                    let text = String::from_utf8_lossy(&body);
                    load.error_texts.push(format!(
                        "{status}: {}",
                        text.chars().take(400).collect::<String>()
                    ));
                }
            }
            Err(error) => {
                load.errors += 1;
                connection = None;
                load.error_texts.push(error.to_string());
                load.error_texts.truncate(3);
                CLOCK.sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// A keep-alive connection with its read buffer.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends `request` and reads its answer: status and body.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (status, head, length) = loop {
            self.fill().await?;
            if let Some(parsed) = parse_head(&self.buffer)? {
                break parsed;
            }
        };
        match length {
            Length::Fixed(length) => {
                while self.buffer.len() < head + length {
                    self.fill().await?;
                }
                Ok((status, self.buffer[head..head + length].to_vec()))
            }
            Length::Chunked => loop {
                if let Some(body) = parse_chunks(&self.buffer[head..]) {
                    return Ok((status, body));
                }
                self.fill().await?;
            },
        }
    }

    async fn fill(&mut self) -> std::io::Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

async fn exchange(
    connection: &mut Option<Connection>,
    address: SocketAddr,
    request: &[u8],
) -> std::io::Result<(u16, Vec<u8>)> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(Connection::open(address).await?),
    };
    open.exchange(request).await
}

enum Length {
    Fixed(usize),
    Chunked,
}

/// Status, where the body begins and how long it is; `None`: the head is not whole yet.
fn parse_head(bytes: &[u8]) -> std::io::Result<Option<(u16, usize, Length)>> {
    let invalid = |why: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, why.to_owned());
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| invalid("the head is no text"))?;
    let status = head
        .get(9..12)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| invalid("no status"))?;
    for line in head.lines().skip(1) {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            let length = value.trim().parse().map_err(|_| invalid("no length"))?;
            return Ok(Some((status, end + 4, Length::Fixed(length))));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return Ok(Some((status, end + 4, Length::Chunked)));
        }
    }
    Ok(Some((status, end + 4, Length::Fixed(0))))
}

/// The body of a chunked answer; `None`: not whole yet.
fn parse_chunks(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size =
            usize::from_str_radix(std::str::from_utf8(&bytes[..line]).ok()?.trim(), 16).ok()?;
        let chunk = bytes.get(line + 2..line + 2 + size)?;
        body.extend_from_slice(chunk);
        bytes = bytes.get(line + 2 + size + 2..)?;
        if size == 0 {
            return Some(body);
        }
    }
}

//! The edge on a real socket, and clients that speak to it byte by byte.
//!
//! Role: what a well-behaved client library would never send is written by hand here, for HTTP/1 and HTTP/2.

use std::net::SocketAddr;
use std::time::Duration;

use portreeve_gateway::Settings;
use service_kit::clock::Clock;
use service_kit::serve::serve_http;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::house::{House, house_with};

/// A gateway that listens.
pub(crate) struct Listening {
    pub(crate) house: House,
    pub(crate) address: SocketAddr,
}

pub(crate) async fn listening(settings: Settings) -> Listening {
    let house = house_with(settings).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve_http(
        listener,
        None,
        house.router.clone(),
        house.trigger.shutdown(),
        house.limits.clone(),
    ));
    Listening { house, address }
}

/// One connection.
pub(crate) struct Line(TcpStream);

/// Frames of HTTP/2 that are sent and waited for.
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;

impl Line {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// Sends, whether it is still read or not.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).await.is_ok()
    }

    /// Everything until the other side closes.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut read = Vec::new();
        let reading = self.0.read_to_end(&mut read);
        let ended = Clock::system()
            .timeout(Duration::from_secs(60), reading)
            .await;
        assert!(ended.is_ok(), "the connection stays open");
        read
    }

    /// Everything until the other side closes, as text.
    pub(crate) async fn answer(&mut self) -> String {
        String::from_utf8_lossy(&self.rest().await).into_owned()
    }

    /// Some bytes; none when the other side has closed.
    pub(crate) async fn some(&mut self) -> Vec<u8> {
        let mut read = vec![0; 16 * 1024];
        let length = self.0.read(&mut read).await.unwrap_or_default();
        read.truncate(length);
        read
    }

    /// Says that HTTP/2 is spoken, with settings of its own.
    pub(crate) async fn begin_http_2(&mut self, settings: &[(u16, u32)]) {
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| {
                let mut entry = name.to_be_bytes().to_vec();
                entry.extend(value.to_be_bytes());
                entry
            })
            .collect();
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        self.send(&frame(SETTINGS, 0, 0, &payload)).await;
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `GET http:/` on `stream`, whole.
pub(crate) fn request(stream: u32) -> Vec<u8> {
    const END_STREAM_AND_HEADERS: u8 = 0x5;
    // Three entries of the static table, and the authority as a literal.
    let mut block = vec![0x82, 0x86, 0x84, 0x01, 1];
    block.extend(b"x");
    frame(HEADERS, END_STREAM_AND_HEADERS, stream, &block)
}

/// Takes the request on `stream` back.
pub(crate) fn reset(stream: u32) -> Vec<u8> {
    const CANCEL: [u8; 4] = [0, 0, 0, 8];
    frame(RST_STREAM, 0, stream, &CANCEL)
}

/// The frames in `bytes`: kind and payload.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let [a, b, c, kind, _flags, _, _, _, _, after @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some((payload, after)) = after.split_at_checked(length) else {
            break;
        };
        found.push((*kind, payload.to_vec()));
        bytes = after;
    }
    found
}

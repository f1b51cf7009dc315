//! What the demo stands on: a house in a temporary directory, and a follower that prints.
//!
//! Role: builds and removes it. The house is the one of `portreeve serve`, in this process.
//! Invariants: the directory is made new, private, and removed at the end unless it is to be kept.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use proto::notification::v1::WatchEventsRequest;
use service_kit::{
    clock::Clock,
    config::Config,
    shutdown::ShutdownTrigger,
    telemetry::{self, TelemetryGuard},
};
use tokio::task::JoinHandle;

use crate::{
    client::{Follow, Session},
    out::{self, Ink},
    server::House,
    settings, show,
    trouble::Trouble,
};

/// Longest that the house may take to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The demo's house.
pub(super) struct Stage {
    /// The gateway, with the administrator's key.
    pub(super) administrator: Session,
    /// Where files of the demo are.
    pub(super) directory: PathBuf,
    keep: bool,
    stop: ShutdownTrigger,
    house: JoinHandle<Result<(), Trouble>>,
    events: JoinHandle<()>,
    _telemetry: TelemetryGuard,
}

impl Stage {
    /// Starts the house.
    pub(super) async fn build(keep: Option<PathBuf>) -> Result<Self, Trouble> {
        let directory = keep.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("portreeve-demo-{}", uuid::Uuid::now_v7()))
        });
        let config = config(&directory)?;
        let telemetry_settings = settings::telemetry(&config, "portreeve-demo")?;
        let telemetry = telemetry::init(&telemetry_settings)
            .map_err(|error| Trouble::Usage(error.to_string()))?;
        let house = House::start(&config, Clock::system()).await?;
        let Some(key) = house.administrator_key.clone() else {
            return Err(Trouble::Usage(format!(
                "{} holds a ledger already",
                directory.display()
            )));
        };
        let administrator = Session::new(&format!("http://{}", house.gateway), Some(&key))?;
        let stop = house.trigger();
        let house = tokio::spawn(house.ended());
        let events = tokio::spawn(print_events(administrator.clone()));
        Ok(Self {
            administrator,
            directory,
            keep: keep.is_some(),
            stop,
            house,
            events,
            _telemetry: telemetry,
        })
    }

    /// Stops the house and clears up.
    pub(super) async fn strike(self) {
        self.events.abort();
        self.stop.trigger();
        let _ = self
            .administrator
            .clock
            .timeout(STOP_WITHIN, self.house)
            .await;
        if self.keep {
            out::note(format!(
                "the ledger is kept in {}",
                self.directory.display()
            ));
        } else {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// Defaults, with a directory of its own, free ports, quiet logs and no waiting at the end. Neither the file nor the
/// environment of the user is read.
fn config(directory: &Path) -> Result<Config, Trouble> {
    let flags = [
        ("data-dir", directory.to_string_lossy().into_owned()),
        ("gateway.listen", "127.0.0.1:0".to_owned()),
        ("admin.listen", "127.0.0.1:0".to_owned()),
        ("log.filter", "warn".to_owned()),
        ("drain.delay", "0s".to_owned()),
        ("drain.deadline", "2s".to_owned()),
    ];
    let flags: BTreeMap<String, String> = flags
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    Config::resolve(settings::all(), None, [], &flags)
        .map_err(|errors| Trouble::Local(errors.to_string()))
}

async fn print_events(session: Session) {
    let request = WatchEventsRequest {
        cursor: "now".into(),
        ..WatchEventsRequest::default()
    };
    let terminal = out::stdout_is_terminal();
    let Ok(mut follow) = Follow::start(&session, request).await else {
        return;
    };
    while let Ok(batch) = follow.next().await {
        for event in batch.events.iter().filter_map(|event| event.event.as_ref()) {
            let line = format!("    event  {}", show::event::to_line(event));
            if out::data(out::ink(terminal, Ink::Dim, line)).is_err() {
                return;
            }
        }
    }
}

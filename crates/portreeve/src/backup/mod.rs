//! `portreeve backup` and `restore`.
//!
//! Role: copies the stores of a running ledger into a new directory with a manifest, and brings them back.
//! Invariants: notification's store is copied first, so that its place in the log is never ahead of the log's copy; the
//! manifest is written last, so a backup that was cut is no backup; a restore goes into an empty place only, checks
//! every digest first, and ends the feed's epoch before anything can be served, so that followers begin anew.
//! Failure story: whatever fails leaves the running ledger alone; a failed restore leaves no store behind.

mod manifest;

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use service_kit::{clock::Clock, config::Config, parts::StoreLocation};

use self::manifest::Manifest;
use crate::{
    out, private_file,
    server::{DataDir, location},
    store::{postgres, sqlite},
    trouble::Trouble,
};

/// The services that keep data, in the order in which they are copied.
const COPIED: [&str; 2] = ["notification", "intake"];

/// The one file of a backup of PostgreSQL.
const DUMP: &str = "portreeve.dump";

/// `backup`.
#[derive(Debug, Clone, Args)]
pub struct BackupArgs {
    /// A new or empty directory.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

/// `restore`.
#[derive(Debug, Clone, Args)]
pub struct RestoreArgs {
    /// A directory that `portreeve backup` made.
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
}

/// Copies the stores.
///
/// # Errors
/// When the directory is not empty, or a copy fails.
pub async fn backup(args: &BackupArgs, config: &Config) -> Result<(), Trouble> {
    let to = args.to.as_path();
    make_empty(to)?;
    let mut manifest = Manifest::new(Clock::system().now());
    match config.optional("database-url") {
        Some(url) => {
            // Made here, so that it is private from its first moment; pg_dump fills it.
            private_file::create(&to.join(DUMP))?;
            postgres::dump(url, &to.join(DUMP))
                .await
                .map_err(Trouble::Local)?;
            manifest.store = manifest::Store::Postgres;
            manifest.add(to, DUMP)?;
        }
        None => {
            for service in COPIED {
                let name = format!("{service}.db");
                let from = config.path("data-dir").join(&name);
                if !from.exists() {
                    return Err(Trouble::Usage(format!(
                        "{} is not there; name the ledger's directory with --data-dir",
                        from.display()
                    )));
                }
                sqlite::copy(&from, &to.join(&name))
                    .await
                    .map_err(Trouble::Local)?;
                manifest.add(to, &name)?;
            }
        }
    }
    manifest.write(to)?;
    out::note(format!(
        "backed up to {}: {}",
        to.display(),
        manifest.summary()
    ));
    Ok(())
}

/// Brings a backup back.
///
/// # Errors
/// When the place is not empty, a digest is wrong, or a store cannot be made.
pub async fn restore(args: &RestoreArgs, config: &Config) -> Result<(), Trouble> {
    let manifest = Manifest::read(&args.from)?;
    manifest.check(&args.from)?;
    let settings =
        intake::Settings::from_config(config).map_err(|error| Trouble::Usage(error.to_string()))?;
    let epoch = match (config.optional("database-url"), manifest.store) {
        (Some(url), manifest::Store::Postgres) => {
            let there = postgres::schemas_there(url).await.map_err(Trouble::Local)?;
            if let [first, ..] = there.as_slice() {
                return Err(Trouble::Usage(format!(
                    "the database has a schema '{first}' already; restore into a new database, or stop everything that \
                     uses this one and drop the schemas {}",
                    postgres::SCHEMAS.join(" and ")
                )));
            }
            postgres::restore(url, &args.from.join(DUMP))
                .await
                .map_err(Trouble::Local)?;
            bump(&location(config, "intake"), &settings).await.map_err(|trouble| {
                Trouble::Local(format!(
                    "{trouble}; the schemas are there, but do not serve them: drop them and restore again"
                ))
            })?
        }
        (None, manifest::Store::Sqlite) => {
            into_directory(&args.from, config.path("data-dir"), &settings).await?
        }
        (Some(_), manifest::Store::Sqlite) => {
            return Err(Trouble::Usage(
                "the backup is of embedded stores; leave --database-url out".into(),
            ));
        }
        (None, manifest::Store::Postgres) => {
            return Err(Trouble::Usage(
                "the backup is of a PostgreSQL database; name one with --database-url".into(),
            ));
        }
    };
    out::note(format!(
        "restored; the feed's epoch is {epoch} now: followers begin anew"
    ));
    let key = settings
        .history
        .beside(&location(config, "intake"))
        .key_file;
    if let Some(key) = key.filter(|key| !key.exists()) {
        out::note(format!(
            "the history's sealing key is not in a backup: put the one that sealed it at {} before serving, or nothing more is sealed",
            key.display()
        ));
    }
    Ok(())
}

/// Copies under other names, ends the epoch there, and only then gives the stores their names.
async fn into_directory(
    from: &Path,
    data_dir: &Path,
    settings: &intake::Settings,
) -> Result<u32, Trouble> {
    let held = DataDir::lock(data_dir, &["intake", "notification"])?;
    let final_path = |service: &str| held.path().join(format!("{service}.db"));
    for service in COPIED {
        for path in with_companions(&final_path(service)) {
            if path.exists() {
                return Err(Trouble::Usage(format!(
                    "{} is there already; restore into an empty directory",
                    path.display()
                )));
            }
        }
    }
    let interim = |service: &str| held.path().join(format!("{service}.restoring"));
    let clear = || {
        for path in COPIED
            .iter()
            .flat_map(|service| with_companions(&interim(service)))
        {
            let _ = fs::remove_file(path);
        }
    };
    // What an earlier restore that was killed left.
    clear();
    let restored = async {
        for service in COPIED {
            let source = from.join(format!("{service}.db"));
            sqlite::copy(&source, &interim(service))
                .await
                .map_err(Trouble::Local)?;
        }
        let epoch = bump(&StoreLocation::Sqlite(interim("intake")), settings).await?;
        sqlite::settle(&interim("intake"))
            .await
            .map_err(Trouble::Local)?;
        // The ledger last: without it nothing can be served.
        for service in COPIED {
            fs::rename(interim(service), final_path(service))
                .map_err(|error| Trouble::local(interim(service).display(), error))?;
        }
        Ok(epoch)
    }
    .await;
    clear();
    restored
}

async fn bump(location: &StoreLocation, settings: &intake::Settings) -> Result<u32, Trouble> {
    intake::restore::bump_epoch(location, settings, Clock::system())
        .await
        .map_err(|error| Trouble::local("the feed's epoch cannot be ended", error))
}

/// A store's file and those that SQLite keeps beside it.
fn with_companions(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

fn make_empty(path: &Path) -> Result<(), Trouble> {
    let wrong = |error: std::io::Error| {
        Trouble::Usage(format!("{} cannot be used: {error}", path.display()))
    };
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(wrong)?;
    if fs::read_dir(path).map_err(wrong)?.next().is_some() {
        return Err(Trouble::Usage(format!(
            "{} is not empty; name a new directory",
            path.display()
        )));
    }
    Ok(())
}

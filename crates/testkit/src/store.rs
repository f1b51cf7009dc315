//! Where a house under test keeps its data.

use std::path::{Path, PathBuf};

use service_kit::parts::StoreLocation;
use tempfile::TempDir;

/// Which kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Embedded, in a directory that goes with the test.
    Sqlite,
    /// A fresh database of the private PostgreSQL server.
    Postgres,
}

impl Store {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];
}

/// A place for one house's data; it survives restarts of the house and goes with the test.
#[derive(Debug)]
pub struct Place {
    directory: TempDir,
    database_url: Option<String>,
}

impl Place {
    /// A fresh place.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn fresh(store: Store) -> Self {
        Self {
            directory: tempfile::Builder::new()
                .prefix("portreeve-test-")
                .tempdir()
                .expect("a directory for the test"),
            database_url: match store {
                Store::Sqlite => None,
                Store::Postgres => match crate::postgres().fresh_database() {
                    Ok(url) => Some(url),
                    Err(error) => panic!("{error}"),
                },
            },
        }
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The test's own directory, beside the data.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where intake's store is, for what reads it without a house.
    pub fn ledger(&self) -> StoreLocation {
        match &self.database_url {
            Some(url) => StoreLocation::Postgres {
                url: url.clone(),
                schema: "intake",
            },
            None => StoreLocation::Sqlite(self.data_dir().join("intake.db")),
        }
    }

    /// The settings that lead here.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = vec![("data-dir".to_owned(), self.data_dir().display().to_string())];
        if let Some(url) = &self.database_url {
            settings.push(("database-url".to_owned(), url.clone()));
            // Beside an embedded ledger the key has its place.
            let key = self.path().join("history.key");
            settings.push((
                "intake.history-key-file".to_owned(),
                key.display().to_string(),
            ));
        }
        settings
    }
}

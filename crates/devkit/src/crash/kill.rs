//! The server's lives.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;

use super::CrashError;
use crate::runtime_api::Server;
use crate::sandbox::{ACCESS_TOKEN, Call, Sandbox, catalogue};
use crate::sign::Provider;

/// How long a server lives, in milliseconds after it said that it listens.
const LIFE_MS: std::ops::RangeInclusive<u64> = 50..=300;

/// Where the ledger of a run is, and what its servers wrote.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
}

impl Folder {
    fn make(provider: Provider) -> Result<Folder, CrashError> {
        let path =
            std::env::temp_dir().join(format!("devkit-crash-{}-{provider}", std::process::id()));
        let folder = Folder { path };
        folder.forget_ledger()?;
        Ok(folder)
    }

    fn ledger(&self) -> PathBuf {
        self.path.join("ledger")
    }

    /// The ledger has a folder of its own, because a store may keep other files next to the one that it is told.
    fn forget_ledger(&self) -> Result<(), CrashError> {
        let ledger = self.ledger();
        match fs::remove_dir_all(&ledger) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(CrashError::io(ledger.display().to_string())(error));
            }
            Ok(()) | Err(_) => {}
        }
        fs::create_dir_all(&ledger).map_err(CrashError::io(ledger.display().to_string()))
    }

    fn write_down(&self, logs: &str) -> Result<(), CrashError> {
        let path = self.path.join("log");
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(logs.as_bytes()))
            .map_err(CrashError::io(path.display().to_string()))
    }

    /// What Cryptlex was asked, for whoever looks for the reason of a difference.
    pub(super) fn keep_calls(&self, calls: &[Call]) -> Result<(), CrashError> {
        let path = self.path.join("calls.json");
        let text = serde_json::to_string_pretty(calls).unwrap_or_default();
        fs::write(&path, text).map_err(CrashError::io(path.display().to_string()))
    }

    /// When nobody needs to look at it.
    pub(super) fn remove(&self) -> Result<(), CrashError> {
        fs::remove_dir_all(&self.path).map_err(CrashError::io(self.path.display().to_string()))
    }
}

/// One server after the other.
pub(super) struct Life<'s> {
    provider: Provider,
    sandbox: &'s Sandbox,
    lose_ledger: bool,
    folder: Folder,
    server: Option<Server>,
    url: watch::Sender<Option<String>>,
}

impl<'s> Life<'s> {
    /// Starts the first one.
    pub(super) async fn begin(
        provider: Provider,
        sandbox: &'s Sandbox,
        lose_ledger: bool,
    ) -> Result<Life<'s>, CrashError> {
        let folder = Folder::make(provider)?;
        let url = watch::Sender::default();
        let mut life = Life { provider, sandbox, lose_ledger, folder, server: None, url };
        life.start().await?;
        Ok(life)
    }

    /// Where the server is, while there is one.
    pub(super) fn url(&self) -> watch::Receiver<Option<String>> {
        self.url.subscribe()
    }

    async fn start(&mut self) -> Result<(), CrashError> {
        let own = std::env::current_exe().map_err(CrashError::io("this program"))?;
        let binary = own.with_file_name(self.provider.binary());
        let ledger = self.folder.ledger().join("ledger.redb");
        let environment = [
            (self.provider.secret_variable(), self.provider.demo_secret()),
            ("CRYPTLEX_ACCESS_TOKEN", ACCESS_TOKEN),
            // The books of the run are about ends as they were paid.
            ("EXPIRY_LEEWAY_HOURS", "0"),
            ("CRYPTLEX_WEB_API_BASE_URL", &self.sandbox.url()),
            ("CRYPTLEX_PRODUCT_ID", catalogue::YEARLY_PRODUCT),
            ("CRYPTLEX_REQUESTS_PER_5S", "0"),
            ("RATE_LIMIT_PER_MINUTE", "0"),
            ("CONNECTIONS_PER_SOURCE", "0"),
            ("LEDGER_PATH", &ledger.to_string_lossy()),
            ("SETTLE_SECS", "1"),
            ("DEADLINE_MS", "2000"),
        ];
        let named = CrashError::io(format!(
            "{} (`cargo build --workspace --bins` makes it)",
            binary.display()
        ));
        let server = Server::start(&binary, &environment).await.map_err(named)?;
        let url = format!("{}{}", server.url(), self.provider.path());
        self.url.send_replace(Some(url));
        self.server = Some(server);
        Ok(())
    }

    /// Kills and starts until so many events are done, and so many times at most; the last server lives. Gives the
    /// number of kills.
    pub(super) async fn kill_until(
        &mut self,
        mut done: watch::Receiver<usize>,
        enough: usize,
        most: usize,
        seed: u64,
    ) -> Result<usize, CrashError> {
        let mut rng = StdRng::seed_from_u64(!seed);
        let mut kills = 0;
        while kills < most {
            let life = Duration::from_millis(rng.random_range(LIFE_MS));
            tokio::select! {
                () = tokio::time::sleep(life) => {}
                _ = done.wait_for(|done| *done >= enough) => break,
            }
            if let Some(server) = self.server.take() {
                self.url.send_replace(None);
                let logs = server.kill().await.map_err(CrashError::io("kill -9"))?;
                self.folder.write_down(&logs)?;
            }
            kills += 1;
            if self.lose_ledger {
                // Without a ledger nothing keeps a new server off a write of the old one.
                self.sandbox.deserted().await.map_err(CrashError::io("the sandbox"))?;
                self.folder.forget_ledger()?;
            }
            self.start().await?;
        }
        Ok(kills)
    }

    /// Lets the last server finish.
    pub(super) async fn end(self) -> Result<Folder, CrashError> {
        if let Some(server) = self.server {
            let exit = server.stop().await.map_err(CrashError::io(self.provider.binary()))?;
            self.folder.write_down(&exit.logs)?;
            if !exit.status.success() {
                let reason = io::Error::other(format!(
                    "{}; logs in {}",
                    exit.status,
                    self.folder.path.display()
                ));
                return Err(CrashError::io(self.provider.binary())(reason));
            }
        }
        Ok(self.folder)
    }
}

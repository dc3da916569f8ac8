//! AWS without AWS: a moto server of the caller's own, on loopback.
//!
//! It looks at no credentials. `make moto` installs it into `.venv`.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. Stopped when dropped.
pub struct Moto {
    server: Child,
    url: String,
}

/// Why AWS cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum MotoError {
    /// It is not installed.
    #[error("{0}: {1}; `make moto` installs it")]
    NotInstalled(PathBuf, io::Error),
    /// It did not say where it listens.
    #[error("the moto server did not start")]
    NotStarted,
    /// It did not do what it was asked.
    #[error("moto: {0}")]
    Refused(String),
}

impl Moto {
    /// On a port of its own, with nothing in it.
    pub async fn start() -> Result<Self, MotoError> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = here.join("../../.venv/bin/python");
        let mut server = Command::new(&python)
            .arg(here.join("moto/server.py"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| MotoError::NotInstalled(python, error))?;
        let (tell, told) = oneshot::channel();
        if let Some(log) = server.stderr.take() {
            std::thread::spawn(move || announced(log, tell));
        }
        let mut moto = Self { server, url: String::new() };
        moto.url = match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(url)) => url,
            Ok(Err(_)) | Err(_) => return Err(MotoError::NotStarted),
        };
        Ok(moto)
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A call in one of AWS's JSON protocols: `secretsmanager`, `secretsmanager.CreateSecret`.
    pub async fn call(
        &self,
        service: &str,
        target: &str,
        body: &Value,
    ) -> Result<Value, MotoError> {
        let refused = |error: reqwest::Error| MotoError::Refused(format!("{target}: {error}"));
        // By the scope of the signature it knows which service is meant.
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=none/20260101/eu-central-1/{service}/aws4_request, SignedHeaders=host, Signature=none"
        );
        let answer = reqwest::Client::new()
            .post(&self.url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target)
            .header("authorization", scope)
            .body(body.to_string())
            .send()
            .await
            .map_err(refused)?;
        let status = answer.status();
        let text = answer.text().await.map_err(refused)?;
        if !status.is_success() {
            return Err(MotoError::Refused(format!("{target}: {status} {text}")));
        }
        serde_json::from_str(&text).map_err(|_| MotoError::Refused(format!("{target}: {text}")))
    }
}

/// Passes on where the server listens, and reads on, so that it never waits for somebody to read.
fn announced(log: ChildStderr, tell: oneshot::Sender<String>) {
    let mut tell = Some(tell);
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        let url = line.split_once("Running on ").map(|(_, url)| url.trim().to_owned());
        if let Some(url) = url
            && let Some(tell) = tell.take()
        {
            tell.send(url).ok();
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

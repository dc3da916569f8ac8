//! AWS without AWS: a moto server on loopback.
//!
//! One server for all of a process, because it takes seconds to start; it ends with the process. Each caller
//! gets an empty region of its own on it. It looks at no credentials. `make moto` installs it into `.venv`.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{OnceCell, oneshot};

use crate::send::client;

const PATIENCE: Duration = Duration::from_secs(120);

static SERVER: OnceCell<Server> = OnceCell::const_new();
static REGIONS: AtomicU32 = AtomicU32::new(1);

struct Server {
    /// It reads its standard input, which ends with this process.
    _process: Child,
    url: String,
}

/// A region of AWS.
pub struct Moto {
    url: &'static str,
    region: String,
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

impl Server {
    async fn start() -> Result<Self, MotoError> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = here.join("../../.venv/bin/python");
        let mut process = Command::new(&python)
            .arg(here.join("moto/server.py"))
            // Of what it compiles the next one makes use.
            .env_remove("PYTHONDONTWRITEBYTECODE")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| MotoError::NotInstalled(python, error))?;
        let (tell, told) = oneshot::channel();
        if let Some(log) = process.stderr.take() {
            std::thread::spawn(move || announced(log, tell));
        }
        match tokio::time::timeout(PATIENCE, told).await {
            Ok(Ok(url)) => Ok(Self { _process: process, url }),
            Ok(Err(_)) | Err(_) => Err(MotoError::NotStarted),
        }
    }
}

impl Moto {
    /// A region of its own.
    pub async fn start() -> Result<Self, MotoError> {
        let url = &SERVER.get_or_try_init(Server::start).await?.url;
        let region = format!("test-{}", REGIONS.fetch_add(1, Ordering::Relaxed));
        Ok(Self { url, region })
    }

    /// Where it listens.
    pub fn url(&self) -> &'static str {
        self.url
    }

    /// By this name.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// A table for a ledger, with nothing in it.
    pub async fn create_ledger(&self, table: &str) -> Result<(), MotoError> {
        let table = json!({
            "TableName": table, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "key", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "key", "KeyType": "HASH"}],
        });
        self.call("dynamodb", "DynamoDB_20120810.CreateTable", &table).await.map(|_| ())
    }

    /// A queue whose messages come once: none of them comes back within an hour. Gives its URL.
    pub async fn create_queue(&self, queue: &str) -> Result<String, MotoError> {
        let queue = json!({"QueueName": queue, "Attributes": {"VisibilityTimeout": "3600"}});
        let made = self.call("sqs", "AmazonSQS.CreateQueue", &queue).await?;
        match made["QueueUrl"].as_str() {
            Some(url) => Ok(url.to_owned()),
            None => Err(MotoError::Refused(format!("no URL of a queue in {made}"))),
        }
    }

    /// The next messages of the queue with this URL, at most ten.
    pub async fn receive(&self, queue_url: &str) -> Result<Vec<Value>, MotoError> {
        let most = json!({"QueueUrl": queue_url, "MaxNumberOfMessages": 10});
        let received = self.call("sqs", "AmazonSQS.ReceiveMessage", &most).await?;
        Ok(received["Messages"].as_array().cloned().unwrap_or_default())
    }

    /// By the scope of a signature it knows which service of which region is meant.
    pub fn authorization(&self, service: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential=none/20260101/{}/{service}/aws4_request, SignedHeaders=host, Signature=none",
            self.region
        )
    }

    /// A call in one of AWS's JSON protocols: `secretsmanager`, `secretsmanager.CreateSecret`.
    pub async fn call(
        &self,
        service: &str,
        target: &str,
        body: &Value,
    ) -> Result<Value, MotoError> {
        let refused = |error: reqwest::Error| MotoError::Refused(format!("{target}: {error}"));
        let answer = client(0)
            .post(self.url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target)
            .header("authorization", self.authorization(service))
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

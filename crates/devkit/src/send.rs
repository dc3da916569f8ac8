//! Signed deliveries from the command line and from tests, over HTTP or as a Lambda event.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{CONTENT_TYPE, USER_AGENT};

use crate::announce::Announced;
use crate::corpus::{self, CorpusError};
use crate::envelope::{self, Gateway};
use crate::sandbox::Announcement;
use crate::sign::{Provider, sign};

const TIMEOUT: Duration = Duration::from_secs(30);

/// One client for all runtimes of a test binary: without pooled connections nothing in it belongs to the runtime
/// of the test that used it first.
static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| client(0));

/// The answer to a delivery, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Providers look at little else.
    pub status: u16,
    /// Names are lower case.
    pub headers: HeaderMap,
    /// Bytes that are not UTF-8 are replaced.
    pub body: String,
}

/// Why there is no answer to show.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No such body under `events/`.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// Nobody listens, or no whole answer came within 30 seconds.
    #[error("no answer from {url}: {reason}. Is the function running there?")]
    Unanswered {
        /// Where it was sent to.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// Ctrl-c came before the answer.
    #[error("interrupted before {url} answered")]
    Interrupted {
        /// Where it was sent to.
        url: String,
    },
    /// The answer or the event could not be written where it should go.
    #[error("{target} cannot be written: {reason}")]
    Unwritable {
        /// A file, or `stdout`.
        target: String,
        /// What the operating system said.
        reason: io::Error,
    },
}

/// When a delivery claims to have been signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedAt {
    /// Within any tolerance.
    Now,
    /// Seconds since 1970, for deliveries that are too old or too new.
    Unix(i64),
}

impl SignedAt {
    fn unix_secs(self) -> i64 {
        match self {
            SignedAt::Now => now_unix(),
            SignedAt::Unix(secs) => secs,
        }
    }
}

impl FromStr for SignedAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "now" => Ok(SignedAt::Now),
            secs => secs
                .parse()
                .map(SignedAt::Unix)
                .map_err(|_| "write `now`, or seconds since 1970".to_owned()),
        }
    }
}

/// What both subcommands need to make a signed delivery of a case.
#[derive(Debug, Clone, clap::Args)]
pub struct SignedCase {
    /// Who sends the webhook
    pub provider: Provider,
    /// Name of a file in `events/<provider>`, without .json; `devkit cases` lists them
    pub case: String,
    /// Signing secret [default: the demo secret of the provider]
    #[arg(long)]
    pub secret: Option<String>,
    /// Time of the signature: `now`, or seconds since 1970
    #[arg(long, default_value = "now", allow_hyphen_values = true)]
    pub at: SignedAt,
    /// Folder with bodies of your own: `<folder>/<provider>/<case>.json` [default: the bodies that are built in]
    #[arg(long, value_name = "FOLDER")]
    pub events: Option<PathBuf>,
}

impl SignedCase {
    fn body(&self) -> Result<Vec<u8>, CorpusError> {
        corpus::body_in(self.events.as_deref(), self.provider, &self.case)
    }

    fn secret(&self) -> &str {
        self.secret.as_deref().unwrap_or(self.provider.demo_secret())
    }
}

/// Arguments of `devkit send`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "Examples:
  devkit send stripe checkout-subscription
  devkit send --url https://HOST/webhooks/paddle --secret SECRET paddle transaction-web")]
pub struct SendArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "its text would replace that of the subcommand in --help")]
    pub signed: SignedCase,
    /// Where to post it [default: port 3000 of this machine, at /webhooks/PROVIDER]
    #[arg(long, value_parser = http_url)]
    pub url: Option<String>,
    /// Sandbox whose page shows the event. Sending works without it
    #[arg(long, default_value = "http://127.0.0.1:4000", value_parser = http_url)]
    pub sandbox: String,
}

/// Arguments of `devkit envelope`.
#[derive(Debug, Clone, clap::Args)]
pub struct EnvelopeArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "its text would replace that of the subcommand in --help")]
    pub signed: SignedCase,
    /// Which API Gateway hands the event over
    #[arg(long, value_enum, default_value = "rest")]
    pub gateway: Gateway,
    /// Encode the body, as API Gateway does for binary media types
    #[arg(long)]
    pub base64: bool,
    /// Path of the request, without the stage
    #[arg(long, default_value = "/v1", value_parser = absolute_path)]
    pub path: String,
    /// File to write instead of standard output
    #[arg(long)]
    pub out: Option<PathBuf>,
}

fn http_url(text: &str) -> Result<String, String> {
    match text.starts_with("http://") || text.starts_with("https://") {
        true => Ok(text.to_owned()),
        false => Err("a URL begins with http://".to_owned()),
    }
}

fn absolute_path(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path begins with /".to_owned()) }
}

/// A client that keeps so many connections between deliveries. No proxy, because deliveries go to loopback; no redirects,
/// because providers do not follow them.
pub fn client(connections: usize) -> reqwest::Client {
    let cryptography = Arc::new(rustls::crypto::ring::default_provider());
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = rustls::ClientConfig::builder_with_provider(cryptography)
        .with_safe_default_protocol_versions()
        .expect("ring has the protocols of today")
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder()
        .timeout(TIMEOUT)
        .pool_max_idle_per_host(connections)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(tls)
        .build()
        .expect("these settings are valid")
}

/// Signs and posts the bytes as they are.
pub async fn post(
    url: &str,
    provider: Provider,
    secret: &str,
    body: &[u8],
    at_unix_secs: i64,
) -> Result<Delivery, SendError> {
    post_by(&CLIENT, url, provider, secret, body, at_unix_secs).await
}

/// As [`post`], by a client of one's own.
pub(crate) async fn post_by(
    client: &reqwest::Client,
    url: &str,
    provider: Provider,
    secret: &str,
    body: &[u8],
    at_unix_secs: i64,
) -> Result<Delivery, SendError> {
    let unanswered = |error: reqwest::Error| SendError::Unanswered {
        url: url.to_owned(),
        reason: innermost(&error),
    };
    let response = client
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, provider.user_agent())
        .header(provider.signature_header(), sign(provider, secret, body, at_unix_secs))
        .body(body.to_vec())
        .send()
        .await
        .map_err(unanswered)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = response.bytes().await.map_err(unanswered)?;
    Ok(Delivery { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

/// `devkit send`: prints status and body, and returns them, so that the caller can choose an exit code.
pub async fn command(args: &SendArgs) -> Result<Delivery, SendError> {
    let signed = &args.signed;
    let (provider, name, body) = (signed.provider, &signed.case, signed.body()?);
    let at = signed.at.unix_secs();
    let default = || format!("http://127.0.0.1:3000/webhooks/{provider}");
    let url = args.url.clone().unwrap_or_else(default);
    let event = format!("{provider} {name}");
    let announced = Announced::begin(&args.sandbox, Announcement { event, about: None }).await;
    let answer = tokio::select! {
        answer = post(&url, provider, signed.secret(), &body, at) => answer,
        // Where it cannot be heard, ctrl-c ends this process as ever.
        Ok(()) = tokio::signal::ctrl_c() => Err(SendError::Interrupted { url }),
    };
    announced.end(answer.as_ref().ok().map(|delivery| delivery.status)).await;
    let delivery = answer?;
    writeln!(io::stdout(), "{}\n{}", delivery.status, delivery.body)
        .map_err(|reason| SendError::Unwritable { target: "stdout".to_owned(), reason })?;
    Ok(delivery)
}

/// `devkit envelope`: writes the event that a function gets when the case is delivered through API Gateway.
pub fn write_envelope(args: &EnvelopeArgs) -> Result<(), SendError> {
    let signed = &args.signed;
    let (provider, body) = (signed.provider, signed.body()?);
    let signature = sign(provider, signed.secret(), &body, signed.at.unix_secs());
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", provider.user_agent()),
        (provider.signature_header(), signature.as_str()),
    ];
    let event = envelope::wrap(args.gateway, args.base64, "POST", &args.path, &headers, &body);
    let text = format!("{event:#}\n");
    match &args.out {
        Some(path) => std::fs::write(path, text)
            .map_err(|reason| SendError::Unwritable { target: path.display().to_string(), reason }),
        None => io::stdout()
            .write_all(text.as_bytes())
            .map_err(|reason| SendError::Unwritable { target: "stdout".to_owned(), reason }),
    }
}

/// `devkit answer`: prints status and body of a function's answer to a gateway, and tells the status.
pub fn print_answer(answer: &str) -> Result<u64, SendError> {
    let json: serde_json::Value = serde_json::from_str(answer).unwrap_or_default();
    let status = json["statusCode"].as_u64().unwrap_or(500);
    let body = json["body"].as_str().unwrap_or(answer);
    writeln!(io::stdout(), "{status}\n{body}")
        .map_err(|reason| SendError::Unwritable { target: "stdout".to_owned(), reason })?;
    Ok(status)
}

/// Seconds since 1970 on the clock of this machine.
pub fn now_unix() -> i64 {
    i64::try_from(since_1970().as_secs()).expect("the clock is not that far off")
}

/// The clock of this machine, finer than [`now_unix`].
#[expect(
    clippy::disallowed_methods,
    reason = "the one clock of the tools; what they call gets it as an argument"
)]
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is set")
}

pub(crate) fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use http_body_util::{BodyExt as _, Full};
    use hyper::body::{Bytes, Incoming};
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use std::convert::Infallible;
    use tokio::net::TcpListener;

    #[derive(Parser)]
    enum Tool {
        Send(SendArgs),
        Envelope(EnvelopeArgs),
    }

    /// Takes one request and gives back what came.
    async fn receive(listener: TcpListener) -> (http::request::Parts, Bytes) {
        let (heard, mut requests) = tokio::sync::mpsc::unbounded_channel();
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(move |request: http::Request<Incoming>| {
            let heard = heard.clone();
            async move {
                let (parts, body) = request.into_parts();
                heard.send((parts, body.collect().await.unwrap().to_bytes())).unwrap();
                let answer = http::Response::builder().status(202).header("x-kept", "1");
                Ok::<_, Infallible>(answer.body(Full::new(Bytes::from("done\n"))).unwrap())
            }
        });
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await
            .unwrap();
        requests.recv().await.unwrap()
    }

    #[tokio::test]
    async fn bytes_arrive_as_they_are_with_their_signature() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks/paddle", listener.local_addr().unwrap());
        let body = b"{ \"a\" : \"\\u00e9\" }\r\n\xff";
        let (delivery, (request, received)) =
            tokio::join!(post(&url, Provider::Paddle, "s", body, 1_700_000_000), receive(listener));

        assert_eq!(request.uri.path(), "/webhooks/paddle");
        assert_eq!(request.headers["content-type"], "application/json");
        let signature = sign(Provider::Paddle, "s", body, 1_700_000_000);
        assert_eq!(request.headers["paddle-signature"], signature.as_str());
        assert_eq!(&received[..], body);
        let delivery = delivery.unwrap();
        assert_eq!((delivery.status, delivery.body.as_str()), (202, "done\n"));
        assert_eq!(delivery.headers["x-kept"], "1");
    }

    #[tokio::test]
    async fn a_closed_port_is_named_with_its_cause() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        drop(listener);
        let error = post(&url, Provider::Stripe, "s", b"{}", 0).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("no answer from {url}: ")), "{error}");
        assert!(error.to_lowercase().contains("connection refused"), "{error}");
    }

    #[tokio::test]
    async fn an_unknown_case_is_an_error_of_both_subcommands() {
        let Ok(Tool::Send(send)) = Tool::try_parse_from(["tool", "send", "stripe", "no-such"])
        else {
            panic!("arguments refused");
        };
        assert_eq!(send.url, None);
        assert_eq!(send.signed.at, SignedAt::Now);
        assert_eq!(send.signed.secret(), Provider::Stripe.demo_secret());
        assert!(matches!(command(&send).await, Err(SendError::Corpus(_))));

        let words = ["tool", "envelope", "paddle", "no-such", "--gateway", "http", "--at", "-5"];
        let Ok(Tool::Envelope(envelope)) = Tool::try_parse_from(words) else {
            panic!("arguments refused");
        };
        assert_eq!(envelope.gateway, Gateway::HttpApi);
        assert_eq!(envelope.signed.at, SignedAt::Unix(-5));
        assert!(matches!(write_envelope(&envelope), Err(SendError::Corpus(_))));
    }

    #[test]
    fn a_folder_given_by_events_wins_over_the_built_in_bodies() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("stripe")).unwrap();
        let own = folder.path().join("stripe/checkout-subscription.json");
        std::fs::write(own, b"{ \"my\": \"own\" }\n").unwrap();
        let words = ["tool", "send", "stripe", "checkout-subscription", "--events"];
        let words = words.map(Into::into).into_iter().chain([folder.path().into()]);
        let Ok(Tool::Send(send)) = Tool::try_parse_from::<_, std::ffi::OsString>(words) else {
            panic!("arguments refused");
        };
        assert_eq!(send.signed.body().unwrap(), b"{ \"my\": \"own\" }\n");
    }

    #[test]
    fn a_time_that_is_neither_now_nor_a_number_is_refused() {
        assert!("yesterday".parse::<SignedAt>().is_err());
    }
}

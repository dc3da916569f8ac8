//! What one function is asked, and what is seen of it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::Arm64Error;
use super::tls::{CERTIFICATE, TlsDoor};
use crate::corpus::{Case, case, cases};
use crate::envelope::{Gateway, queued, wrap};
use crate::hosts::{Host, without_ids};
use crate::moto::Moto;
use crate::runtime_api::{Function, Invocation};
use crate::sandbox::{ACCESS_TOKEN, Fault, catalogue};
use crate::send::now_unix;
use crate::sign::{Provider, sign};

/// An emulated processor on a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a queued message may take while Cryptlex is down.
const QUEUED: Duration = Duration::from_secs(30);
/// The second delivery of a body finds what the first one left, and its purchase if that came later.
const DELIVERIES: usize = 2;

/// A function, and what runs it.
pub(super) struct Stage<'a> {
    pub(super) provider: Provider,
    /// None for this machine itself.
    pub(super) runner: &'a [String],
    pub(super) binary: &'a Path,
}

/// What somebody outside sees of a function.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) answers: Vec<Answer>,
    pub(super) licenses: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) event: String,
    /// A status, or what else the answer is.
    pub(super) kind: String,
    pub(super) text: String,
}

/// A running function, and what was seen of it.
struct Actor<'a> {
    stage: &'a Stage<'a>,
    function: Function,
    seen: Seen,
}

impl Stage<'_> {
    pub(super) async fn play(&self) -> Result<Seen, Arm64Error> {
        let mut seen = self.corpus().await?;
        let with_aws = self.on_aws().await?;
        seen.answers.extend(with_aws.answers);
        seen.licenses.extend(with_aws.licenses);
        Ok(seen)
    }

    /// Every body of the provider, then requests and events of every other kind.
    async fn corpus(&self) -> Result<Seen, Arm64Error> {
        let mut host = Host::new(self.provider).await;
        host.variables.push(("RATE_LIMIT_PER_MINUTE", "0".to_owned()));
        let mut actor = self.start(&host.environment()).await?;
        let cases: Vec<Case> =
            cases().into_iter().filter(|case| case.provider == self.provider).collect();
        let gateways = Gateway::ALL.into_iter().flat_map(|it| [(it, false), (it, true)]).cycle();
        for delivery in 1..=DELIVERIES {
            for (case, (gateway, base64)) in cases.iter().zip(gateways.clone()) {
                let event = self.signed(gateway, base64, self.provider.path(), &case.body);
                actor.gets(&format!("{}, delivery {delivery}", case.name), &event).await?;
            }
        }
        actor.requests().await?;
        actor.unknown_events().await?;
        actor.seen.licenses = host.licenses();
        actor.leave().await
    }

    /// A purchase that meets a Cryptlex which is down, and goes on from the queue. Secret, ledger and queue are AWS's, and
    /// Cryptlex is called over TLS.
    async fn on_aws(&self) -> Result<Seen, Arm64Error> {
        let host = Host::new(self.provider).await;
        let cryptlex = host.sandbox.url();
        let cryptlex = TlsDoor::open(cryptlex.trim_start_matches("http://")).await;
        let cryptlex = cryptlex.map_err(|error| Arm64Error::Io("loopback".into(), error))?;
        let moto = Moto::start().await?;
        let secret = json!({
            self.provider.secret_variable(): self.provider.demo_secret(),
            "CRYPTLEX_ACCESS_TOKEN": ACCESS_TOKEN,
            "CRYPTLEX_WEB_API_BASE_URL": cryptlex.url(),
        });
        let secret = json!({"Name": "webhook", "SecretString": secret.to_string()});
        moto.call("secretsmanager", "secretsmanager.CreateSecret", &secret).await?;
        moto.create_ledger("ledger").await?;
        let queue = moto.create_queue("overflow").await?;
        let environment = [
            ("AWS_REGION", moto.region()),
            ("AWS_ENDPOINT_URL", moto.url()),
            ("SECRETS_ID", "webhook"),
            ("LEDGER_TABLE", "ledger"),
            ("OVERFLOW_QUEUE_URL", &queue),
            ("CRYPTLEX_CA_CERTIFICATES", CERTIFICATE),
            ("CRYPTLEX_PRODUCT_ID", catalogue::YEARLY_PRODUCT),
            ("CRYPTLEX_REQUESTS_PER_5S", "0"),
        ];
        let mut actor = self.start(&environment).await?;
        let purchase = case(self.provider, self.purchase())?.body;
        let path = format!("/webhooks/{}", self.provider.name());
        let deliver = || self.signed(Gateway::Rest, false, &path, &purchase);

        host.sandbox.fault(Fault::anywhere().error_before(503).always());
        actor.expects("a purchase while Cryptlex is down", &deliver(), "200").await?;
        let messages = moto.receive(&queue).await?;
        let left = "a batch with 1 failed";
        actor.expects("its message while Cryptlex is down", &queued(&messages), left).await?;
        host.sandbox.clear_faults();
        let done = "a batch with 0 failed";
        actor.expects("its message, Cryptlex works", &queued(&messages), done).await?;
        actor.expects("the purchase once more", &deliver(), "200").await?;
        actor.seen.licenses = host.licenses();
        if actor.seen.licenses.is_empty() {
            let got = actor.function.logs();
            return Err(self.unexpected("its message, Cryptlex works", "a license", got));
        }
        actor.leave().await
    }

    fn purchase(&self) -> &'static str {
        match self.provider {
            Provider::Stripe => "checkout-payment",
            Provider::Fastspring => "order-subscription",
            Provider::Paddle => "transaction-web",
        }
    }

    async fn start(&self, environment: &[(&str, &str)]) -> Result<Actor<'_>, Arm64Error> {
        let function = Function::start_under(self.runner, self.binary, environment)
            .await
            .map_err(|error| Arm64Error::Io(self.binary.to_owned(), error))?;
        Ok(Actor { stage: self, function, seen: Seen::default() })
    }

    fn signed(&self, gateway: Gateway, base64: bool, path: &str, body: &[u8]) -> Value {
        self.delivery(gateway, base64, path, self.provider.demo_secret(), now_unix(), body)
    }

    fn delivery(
        &self,
        gateway: Gateway,
        base64: bool,
        path: &str,
        secret: &str,
        at_unix_secs: i64,
        body: &[u8],
    ) -> Value {
        let signature = sign(self.provider, secret, body, at_unix_secs);
        let headers = [
            ("Content-Type", "application/json"),
            ("User-Agent", self.provider.user_agent()),
            (self.provider.signature_header(), signature.as_str()),
        ];
        wrap(gateway, base64, "POST", path, &headers, body)
    }

    fn unexpected(&self, event: &str, expected: &str, got: String) -> Arm64Error {
        let expected = expected.to_owned();
        Arm64Error::Unexpected { what: self.named(event), expected, got }
    }

    fn named(&self, event: &str) -> String {
        format!("{}, {event}", self.binary.display())
    }
}

impl Actor<'_> {
    /// Signatures, paths and bodies as they should not be, and `/health`, by every gateway.
    async fn requests(&mut self) -> Result<(), Arm64Error> {
        let stage = self.stage;
        let provider = stage.provider;
        let body = case(provider, stage.purchase())?.body;
        let path = format!("/webhooks/{}", provider.name());
        for gateway in Gateway::ALL {
            let plain = |method, path| wrap(gateway, false, method, path, &[], b"");
            let unsigned = wrap(gateway, false, "POST", &path, &[], &body);
            let forged = stage.delivery(gateway, false, &path, "another", now_unix(), &body);
            let mut changed = stage.signed(gateway, false, &path, &body);
            changed["body"] = json!("{}");
            let mut damaged = stage.signed(gateway, true, &path, &body);
            damaged["body"] = json!("this is not base64!");
            let good = stage.signed(gateway, false, &path, &body);
            for (what, event, status) in [
                ("health", plain("GET", "/health"), "200"),
                ("a purchase that is known", good, "200"),
                ("a wrong secret", forged, "401"),
                ("another body than was signed", changed, "401"),
                ("no signature", unsigned, "400"),
                ("damaged base64", damaged, "400"),
                ("an unknown path", plain("POST", "/nothing"), "404"),
                ("a method that is not served", plain("GET", "/v1"), "405"),
            ] {
                self.expects(&format!("{what}, by {gateway:?}"), &event, status).await?;
            }
            // FastSpring signs no time.
            if provider != Provider::Fastspring {
                let (secret, old) = (provider.demo_secret(), now_unix() - 86_400);
                let event = stage.delivery(gateway, false, &path, secret, old, &body);
                self.expects(&format!("an old signature, by {gateway:?}"), &event, "401").await?;
            }
        }
        Ok(())
    }

    async fn unknown_events(&mut self) -> Result<(), Arm64Error> {
        for event in [
            json!({}),
            json!([]),
            json!("text"),
            json!({"version": "2.0"}),
            json!({"Records": []}),
            json!({"Records": [{"eventSource": "aws:s3", "messageId": "1", "body": "{}"}]}),
        ] {
            self.expects(&format!("the event {event}"), &event, "an error").await?;
        }
        // A message that no function queued.
        let stranger = json!([{"MessageId": "1", "ReceiptHandle": "1", "Body": "no JSON"}]);
        let stranger = queued(stranger.as_array().map_or(&[], Vec::as_slice));
        self.expects("a message that is not ours", &stranger, "a batch with 1 failed").await
    }

    async fn expects(&mut self, what: &str, event: &Value, kind: &str) -> Result<(), Arm64Error> {
        let answer = self.gets(what, event).await?;
        if answer.kind == kind {
            return Ok(());
        }
        let got = answer.text.clone();
        Err(self.stage.unexpected(what, kind, got))
    }

    async fn gets(&mut self, what: &str, event: &Value) -> Result<&Answer, Arm64Error> {
        let patience = if event["Records"].is_array() { QUEUED } else { PATIENCE };
        let outcome = self.function.invoke(event, patience).await;
        let outcome = outcome
            .map_err(|reason| Arm64Error::Invoke { what: self.stage.named(what), reason })?;
        let (kind, text) = match outcome {
            Invocation::Error(error) => ("an error".to_owned(), error.to_string()),
            Invocation::Response(answer) => told(&answer),
        };
        let answer = Answer { event: what.to_owned(), kind, text };
        self.seen.answers.push(answer);
        Ok(self.seen.answers.last().expect("it was just pushed"))
    }

    async fn leave(self) -> Result<Seen, Arm64Error> {
        match self.function.stop().await {
            Ok(_) => Ok(self.seen),
            Err(error) => Err(Arm64Error::Io(self.stage.binary.to_owned(), error)),
        }
    }
}

/// Kind and text of an answer. Ids of messages are random, so a batch is told by the number of its failures.
fn told(answer: &Value) -> (String, String) {
    if let Some(failures) = answer["batchItemFailures"].as_array() {
        let kind = format!("a batch with {} failed", failures.len());
        return (kind.clone(), kind);
    }
    let mut answer = answer.clone();
    if let Some(body) = answer["body"].as_str().map(without_ids) {
        answer["body"] = json!(body);
    }
    (answer["statusCode"].to_string(), answer.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_shown_by_status_and_a_batch_by_its_failures() {
        let gateway = json!({"statusCode": 401, "body": "no"});
        assert_eq!(told(&gateway), ("401".to_owned(), gateway.to_string()));
        let batch = json!({"batchItemFailures": [{"itemIdentifier": "7f3c"}]});
        let kind = "a batch with 1 failed".to_owned();
        assert_eq!(told(&batch), (kind.clone(), kind));
    }

    #[test]
    fn licenses_of_an_answer_are_compared_in_any_order() {
        let answer = |licenses: Value| json!({"statusCode": 200, "body": json!({"data": {"licenses": licenses}}).to_string()});
        let one = answer(json!([{"expiresAt": null, "id": "1"}, {"expiresAt": "x", "id": "2"}]));
        let other = answer(json!([{"expiresAt": "x", "id": "1"}, {"expiresAt": null, "id": "2"}]));
        assert_eq!(told(&one), told(&other));
        let later = answer(json!([{"expiresAt": "y", "id": "1"}, {"expiresAt": null, "id": "2"}]));
        assert_ne!(told(&one), told(&later));
    }
}

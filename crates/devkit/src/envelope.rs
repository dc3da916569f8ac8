//! Webhook requests as each gateway of AWS hands them to a function, and messages as SQS does.
//!
//! Ids and times in an envelope are fixed: the same arguments give the same event. Shapes follow
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html> and
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>,
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html> and
//! <https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html>.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const ACCOUNT_ID: &str = "123456789012";
const API_ID: &str = "a1b2c3d4e5";
const HOST: &str = "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com";
/// Where every wrapped request claims to come from (RFC 5737: an address that belongs to nobody).
const SOURCE_IP: &str = "192.0.2.10";
const TIME: &str = "01/Jul/2026:12:00:00 +0000";
const TIME_EPOCH_MS: i64 = 1_782_907_200_000;

/// Which kind of event a function gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Gateway {
    /// Payload format 1.0: `httpMethod`, `multiValueHeaders`, header names as the client wrote them.
    Rest,
    /// Payload format 2.0: `rawPath`, lower-case header names.
    #[value(name = "http")]
    HttpApi,
    /// The same, with names of its own.
    FunctionUrl,
    /// An Application Load Balancer whose target group has multi-value headers.
    Alb,
    /// VPC Lattice, event version 2.0: every header is a list.
    Lattice,
}

impl Gateway {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Rest, Self::HttpApi, Self::FunctionUrl, Self::Alb, Self::Lattice];
}

/// The whole event for a request to `path`, which has neither stage nor query.
///
/// Without `base64`, bytes that are not UTF-8 are replaced, as API Gateway does; their signature is then wrong. Behind a
/// load balancer the sender's address comes last of `X-Forwarded-For`.
pub fn wrap(
    gateway: Gateway,
    base64: bool,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Value {
    let text =
        if base64 { STANDARD.encode(body) } else { String::from_utf8_lossy(body).into_owned() };
    let text = (!text.is_empty()).then_some(text);
    let added = [
        ("Host", HOST),
        ("X-Amzn-Trace-Id", "Root=1-6a450140-0123456789abcdef01234567"),
        ("X-Forwarded-For", SOURCE_IP),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    ];
    let request = Request {
        method,
        path,
        headers: added.iter().chain(headers).copied().collect(),
        body: text,
        is_base64_encoded: base64,
    };
    match gateway {
        Gateway::Rest => rest(&request),
        Gateway::HttpApi => http_api(&request),
        Gateway::FunctionUrl => function_url(&request),
        Gateway::Alb => alb(&request),
        Gateway::Lattice => lattice(&request),
    }
}

struct Request<'a> {
    method: &'a str,
    path: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: Option<String>,
    is_base64_encoded: bool,
}

impl Request<'_> {
    fn user_agent(&self) -> Option<&str> {
        self.headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("user-agent"))
            .map(|(_, value)| *value)
    }
}

fn rest(request: &Request<'_>) -> Value {
    let mut last = BTreeMap::<&str, &str>::new();
    let mut all = BTreeMap::<&str, Vec<&str>>::new();
    for (name, value) in &request.headers {
        last.insert(name, value);
        all.entry(name).or_default().push(value);
    }
    let proxy = request.path.trim_start_matches('/');
    let (resource, path_parameters) =
        if proxy.is_empty() { ("/", Value::Null) } else { ("/{proxy+}", json!({"proxy": proxy})) };
    json!({
        "resource": resource,
        "path": request.path,
        "httpMethod": request.method,
        "headers": last,
        "multiValueHeaders": all,
        "queryStringParameters": null,
        "multiValueQueryStringParameters": null,
        "pathParameters": path_parameters,
        "stageVariables": null,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": API_ID,
            "domainName": HOST,
            "domainPrefix": API_ID,
            "extendedRequestId": "AbCdEfGhFiAEZTQ=",
            "httpMethod": request.method,
            "identity": {
                "accessKey": null,
                "accountId": null,
                "caller": null,
                "cognitoAuthenticationProvider": null,
                "cognitoAuthenticationType": null,
                "cognitoIdentityId": null,
                "cognitoIdentityPoolId": null,
                "principalOrgId": null,
                "sourceIp": SOURCE_IP,
                "user": null,
                "userAgent": request.user_agent(),
                "userArn": null,
            },
            "path": format!("/prod{}", request.path),
            "protocol": "HTTP/1.1",
            "requestId": "5d1c0b7e-3f52-4c2b-9a55-2a5f0e1d7c11",
            "requestTime": TIME,
            "requestTimeEpoch": TIME_EPOCH_MS,
            "resourceId": "k9x2ab",
            "resourcePath": resource,
            "stage": "prod",
        },
        "body": request.body,
        "isBase64Encoded": request.is_base64_encoded,
    })
}

fn http_api(request: &Request<'_>) -> Value {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in &request.headers {
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(value);
            })
            .or_insert_with(|| (*value).to_owned());
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": API_ID,
            "domainName": HOST,
            "domainPrefix": API_ID,
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": SOURCE_IP,
                "userAgent": request.user_agent(),
            },
            "requestId": "AbCdEfGhFiAEZTQ=",
            "routeKey": "$default",
            "stage": "$default",
            "time": TIME,
            "timeEpoch": TIME_EPOCH_MS,
        },
        "isBase64Encoded": request.is_base64_encoded,
    });
    // Format 2.0 leaves an empty body out where 1.0 has null.
    if let Some(body) = &request.body {
        event["body"] = json!(body);
    }
    event
}

fn function_url(request: &Request<'_>) -> Value {
    let mut event = http_api(request);
    let context = &mut event["requestContext"];
    context["accountId"] = json!("anonymous");
    context["domainName"] = json!("a1b2c3d4e5.lambda-url.eu-central-1.on.aws");
    event
}

/// Every value of each header, by its name in lower case.
fn every_value<'r>(request: &'r Request<'_>) -> BTreeMap<String, Vec<&'r str>> {
    let mut all = BTreeMap::<String, Vec<&str>>::new();
    for (name, value) in &request.headers {
        all.entry(name.to_ascii_lowercase()).or_default().push(value);
    }
    all
}

fn alb(request: &Request<'_>) -> Value {
    let target_group = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/webhooks/0123456789abcdef";
    json!({
        "requestContext": { "elb": { "targetGroupArn": target_group } },
        "httpMethod": request.method,
        "path": request.path,
        "multiValueQueryStringParameters": {},
        "multiValueHeaders": every_value(request),
        "body": request.body.as_deref().unwrap_or_default(),
        "isBase64Encoded": request.is_base64_encoded,
    })
}

fn lattice(request: &Request<'_>) -> Value {
    let arn = |what: &str| format!("arn:aws:vpc-lattice:eu-central-1:123456789012:{what}");
    let mut event = json!({
        "version": "2.0",
        "path": request.path,
        "method": request.method,
        "headers": every_value(request),
        "isBase64Encoded": request.is_base64_encoded,
        "requestContext": {
            "serviceNetworkArn": arn("servicenetwork/sn-0123456789abcdef0"),
            "serviceArn": arn("service/svc-0123456789abcdef0"),
            "targetGroupArn": arn("targetgroup/tg-0123456789abcdef0"),
            "identity": { "sourceVpcArn": "arn:aws:ec2:eu-central-1:123456789012:vpc/vpc-0123456789abcdef0" },
            "region": "eu-central-1",
            "timeEpoch": (TIME_EPOCH_MS * 1000).to_string(),
        },
    });
    if let Some(body) = &request.body {
        event["body"] = json!(body);
    }
    event
}

/// Messages that SQS gave to whoever received them, as it hands them to a function:
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>.
pub fn queued(messages: &[Value]) -> Value {
    let record = |message: &Value| {
        json!({
            "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"], "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "eu-central-1",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:overflow",
        })
    };
    let records: Vec<Value> = messages.iter().map(record).collect();
    json!({ "Records": records })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lambda_events::alb::AlbTargetGroupRequest;
    use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
    use aws_lambda_events::vpc_lattice::VpcLatticeRequestV2;

    const HEADERS: [(&str, &str); 3] =
        [("Content-Type", "application/json"), ("X-Fs-Signature", "abc="), ("User-Agent", "FS")];

    #[test]
    fn the_event_library_reads_a_rest_api_request() {
        let event = wrap(Gateway::Rest, false, "POST", "/fastspring/v1", &HEADERS, b"{\"a\":\n1}");
        let request: ApiGatewayProxyRequest = serde_json::from_value(event).unwrap();

        assert_eq!(request.http_method, http::Method::POST);
        assert_eq!(request.path.as_deref(), Some("/fastspring/v1"));
        assert_eq!(request.resource.as_deref(), Some("/{proxy+}"));
        assert_eq!(request.path_parameters["proxy"], "fastspring/v1");
        assert_eq!(request.headers["x-fs-signature"], "abc=");
        assert_eq!(request.multi_value_headers["x-fs-signature"], "abc=");
        assert_eq!(request.body.as_deref(), Some("{\"a\":\n1}"));
        assert!(!request.is_base64_encoded);
        let context = request.request_context;
        assert_eq!(context.stage.as_deref(), Some("prod"));
        assert_eq!(context.path.as_deref(), Some("/prod/fastspring/v1"));
        assert_eq!(context.identity.source_ip.as_deref(), Some("192.0.2.10"));
        assert_eq!(context.identity.user_agent.as_deref(), Some("FS"));
        assert!(context.request_id.is_some());
    }

    #[test]
    fn the_event_library_reads_an_http_api_request() {
        let event = wrap(Gateway::HttpApi, true, "POST", "/v1", &HEADERS, b"\xff{}");
        let request: ApiGatewayV2httpRequest = serde_json::from_value(event).unwrap();

        assert_eq!(request.version.as_deref(), Some("2.0"));
        assert_eq!(request.raw_path.as_deref(), Some("/v1"));
        assert_eq!(request.headers["x-fs-signature"], "abc=");
        assert_eq!(request.body.as_deref(), Some("/3t9"));
        assert!(request.is_base64_encoded);
        let context = request.request_context;
        assert_eq!(context.stage.as_deref(), Some("$default"));
        assert_eq!(context.http.method, http::Method::POST);
        assert_eq!(context.http.path.as_deref(), Some("/v1"));
        assert_eq!(context.http.source_ip.as_deref(), Some("192.0.2.10"));
    }

    #[test]
    fn the_event_library_reads_requests_of_load_balancers() {
        let twice = [("X-Twice", "1"), ("X-Twice", "2")];
        let event = wrap(Gateway::Alb, true, "POST", "/v1", &twice, b"\xff{}");
        let request: AlbTargetGroupRequest = serde_json::from_value(event).unwrap();
        assert_eq!(
            (request.path.as_deref(), request.http_method),
            (Some("/v1"), http::Method::POST)
        );
        assert_eq!((request.body.as_deref(), request.is_base64_encoded), (Some("/3t9"), true));
        assert_eq!(request.multi_value_headers.get_all("x-twice").iter().count(), 2);

        let event = wrap(Gateway::Lattice, false, "POST", "/v1", &twice, b"{}");
        let request: VpcLatticeRequestV2 = serde_json::from_value(event).unwrap();
        assert_eq!(
            (request.path.as_deref(), request.method),
            (Some("/v1"), Some(http::Method::POST))
        );
        assert_eq!(request.headers.get_all("x-twice").iter().count(), 2);
        assert_eq!(request.body.as_deref(), Some("{}"));
    }

    #[test]
    fn each_gateway_writes_headers_in_its_own_way() {
        let headers = [("X-Twice", "1"), ("X-Twice", "2")];

        let rest = wrap(Gateway::Rest, false, "POST", "/v1", &headers, b"{}");
        assert_eq!(rest["headers"]["X-Twice"], "2");
        assert_eq!(rest["multiValueHeaders"]["X-Twice"], json!(["1", "2"]));

        let http_api = wrap(Gateway::HttpApi, false, "POST", "/v1", &headers, b"{}");
        assert_eq!(http_api["headers"]["x-twice"], "1,2");
        assert!(http_api.get("multiValueHeaders").is_none());
    }

    #[test]
    fn an_empty_body_is_null_or_left_out_as_the_format_says() {
        let rest = wrap(Gateway::Rest, false, "GET", "/", &[], b"");
        assert_eq!(rest.get("body"), Some(&Value::Null));
        assert_eq!(rest["pathParameters"], Value::Null);
        serde_json::from_value::<ApiGatewayProxyRequest>(rest).unwrap();

        let http_api = wrap(Gateway::HttpApi, true, "GET", "/health", &[], b"");
        assert_eq!(http_api.get("body"), None);
        serde_json::from_value::<ApiGatewayV2httpRequest>(http_api).unwrap();
    }
}

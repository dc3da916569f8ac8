use devkit::envelope::{Gateway, queued, wrap};
use serde_json::json;

use super::*;

fn of(event: &Value) -> Invocation {
    Invocation::of(&RawValue::from_string(event.to_string()).unwrap())
}

/// The request that the router gets.
fn request(event: &Value) -> Request<axum::body::Body> {
    let Invocation::Http(event) = of(event) else { panic!("it is a request") };
    let HttpEvent { request, rest } = *event;
    rest.restore(request.into()).unwrap_or_else(|NoSuchPath| panic!("it has a path"))
}

fn source(request: &Request<axum::body::Body>) -> Option<String> {
    request.extensions().get().map(|SourceAddress(address)| address.to_string())
}

#[test]
fn every_gateway_tells_path_source_and_each_value_of_a_header() {
    for gateway in Gateway::ALL {
        let headers = [("Stripe-Signature", "t=1,v1=a"), ("Stripe-Signature", "t=1,v1=b")];
        let request = request(&wrap(gateway, false, "POST", "/webhooks/stripe", &headers, b"{}"));
        assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/webhooks/stripe"));
        assert_eq!(source(&request).as_deref(), Some("192.0.2.10"), "{gateway:?}");
        let lines: Vec<&str> = request
            .headers()
            .get_all("stripe-signature")
            .iter()
            .map(|line| line.to_str().unwrap())
            .collect();
        assert_eq!(lines.join(","), "t=1,v1=a,t=1,v1=b", "{gateway:?}");
    }
}

#[test]
fn a_balancer_writes_the_address_behind_what_the_sender_wrote() {
    for (gateway, expected) in [
        (Gateway::Alb, Some("198.51.100.7")),
        (Gateway::Lattice, Some("198.51.100.7")),
        (Gateway::Rest, Some("192.0.2.10")),
    ] {
        let mut event = wrap(gateway, false, "GET", "/health", &[], b"");
        for headers in ["headers", "multiValueHeaders"] {
            let Some(headers) = event[headers].as_object_mut() else { continue };
            headers.retain(|name, _| !name.eq_ignore_ascii_case("x-forwarded-for"));
            headers.insert(
                "x-forwarded-for".to_owned(),
                json!(["203.0.113.1", "203.0.113.2, 198.51.100.7"]),
            );
        }
        if gateway == Gateway::Rest {
            event["headers"] = json!({});
        }
        assert_eq!(source(&request(&event)).as_deref(), expected, "{gateway:?}");
    }
}

#[test]
fn only_sqs_sends_messages() {
    let message = json!({"MessageId": "m1", "ReceiptHandle": "r", "Body": "text"});
    let event = queued(&[message.clone(), message]);
    assert!(matches!(of(&event), Invocation::Queued(event) if event.records.len() == 2));
    let mut mixed = event.clone();
    mixed["Records"][1]["eventSource"] = json!("aws:sns");
    assert!(matches!(of(&mixed), Invocation::Unknown));
    let mut nameless = event;
    nameless["Records"][1]["messageId"] = Value::Null;
    assert!(matches!(of(&nameless), Invocation::Unknown));
    for gateway in Gateway::ALL {
        let posted = wrap(gateway, false, "POST", "/", &[], mixed.to_string().as_bytes());
        assert!(matches!(of(&posted), Invocation::Http(_)), "{gateway:?}");
    }
}

#[test]
fn a_body_that_cannot_be_decoded_is_damaged_and_no_panic() {
    for gateway in Gateway::ALL {
        let mut event = wrap(gateway, true, "POST", "/v1", &[], b"{}");
        event["body"] = json!("e30");
        let request = request(&event);
        assert!(request.extensions().get::<DamagedBody>().is_some(), "{gateway:?}");
    }
}

#[test]
fn a_stage_is_taken_off_where_a_route_is_left() {
    for (path, stage, expected) in [
        ("/prod/v1", Some("prod"), "/v1"),
        ("/prod/health", Some("prod"), "/health"),
        ("/prod/webhooks/stripe", Some("prod"), "/webhooks/stripe"),
        ("/v1", Some("prod"), "/v1"),
        ("/v1/v1", Some("v1"), "/v1"),
        ("/v1", Some("v1"), "/v1"),
        ("/webhooks/stripe", Some("webhooks"), "/webhooks/stripe"),
        ("/webhooks/webhooks/stripe", Some("webhooks"), "/webhooks/stripe"),
        ("/webhooks/v1", Some("webhooks"), "/v1"),
        ("/stripe/v1", Some("stripe"), "/v1"),
        ("/prodigy/v1", Some("prod"), "/prodigy/v1"),
        ("/v1", Some("$default"), "/v1"),
        ("/v1", None, "/v1"),
    ] {
        assert_eq!(without_stage(path.to_owned(), stage), expected, "{path} {stage:?}");
    }
}

#[test]
fn a_name_or_value_that_no_header_can_have_is_left_out() {
    for gateway in Gateway::ALL {
        let mut event = wrap(gateway, false, "POST", "/v1", &[("x-fs-signature", "abc=")], b"{}");
        for headers in ["headers", "multiValueHeaders"] {
            let Some(headers) = event[headers].as_object_mut() else { continue };
            let one = headers.values().next().unwrap().clone();
            headers.insert("x(y".to_owned(), one);
            headers.insert("x-odd".to_owned(), json!("a\nb"));
        }
        let request = request(&event);
        assert_eq!(source(&request).as_deref(), Some("192.0.2.10"), "{gateway:?}");
        assert_eq!(request.headers()["x-fs-signature"], "abc=", "{gateway:?}");
    }
}

#[test]
fn a_request_that_cannot_be_read_is_damaged_and_not_unknown() {
    for gateway in Gateway::ALL {
        let event = wrap(gateway, false, "POST", "/v1", &[], b"MARK").to_string();
        let lone_surrogate = RawValue::from_string(event.replace("MARK", "\\ud800")).unwrap();
        assert!(matches!(Invocation::of(&lone_surrogate), Invocation::Damaged), "{gateway:?}");
        let bad_method = wrap(gateway, false, "PO ST", "/v1", &[], b"{}");
        assert!(matches!(of(&bad_method), Invocation::Damaged), "{gateway:?}");
    }
}

#[test]
fn a_balancer_may_write_the_port_too() {
    let mut event = wrap(Gateway::Alb, false, "GET", "/health", &[], b"");
    event["multiValueHeaders"]["x-forwarded-for"] = json!(["203.0.113.1, 198.51.100.7:43210"]);
    assert_eq!(source(&request(&event)).as_deref(), Some("198.51.100.7"));
}

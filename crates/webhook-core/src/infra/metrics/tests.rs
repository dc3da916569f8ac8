use metrics::with_local_recorder;

use super::*;

#[test]
fn a_route_has_no_id_and_no_query_in_it() {
    for (method, path, expected) in [
        ("GET", "/v3/licenses?metadata.key[eq]=a&limit=100", "GET /v3/licenses"),
        ("POST", "/v3/licenses/0a1b/renew", "POST /v3/licenses/{id}/renew"),
        ("PATCH", "/v3/users/0a1b", "PATCH /v3/users/{id}"),
    ] {
        assert_eq!(route(method, path), expected);
    }
}

/// The numbers of what is done, as in a process of Stripe's function.
fn numbers(of: impl FnOnce()) -> Numbers {
    let collected = Collected::default();
    with_local_recorder(&collected, || {
        describe_histogram!(WEBHOOK_DURATION, Unit::Milliseconds, "");
        describe_histogram!(CRYPTLEX_LATENCY, Unit::Milliseconds, "");
        describe_counter!(CRYPTLEX_CALLS, Unit::Count, "");
        of();
    });
    let whose = Whose { stack: Some("payments".to_owned()), provider: "stripe" };
    Numbers { whose, collected }
}

fn documents_of(numbers: &Numbers) -> Vec<Value> {
    let clock = Clock::new(|| jiff::Timestamp::from_second(1_788_220_900).unwrap());
    let lines = String::from_utf8(numbers.lines(&clock)).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_is_what_cloudwatch_reads() {
    let numbers = numbers(|| {
        count(Count::Applied);
        count(Count::Applied);
        webhook(Duration::from_millis(125));
        call("GET", "/v3/licenses", Duration::from_millis(80));
    });
    let about = |dimensions: Value, metrics: Value| {
        let described = json!({
            "Namespace": "PaymentWebhooks", "Dimensions": [dimensions], "Metrics": metrics,
        });
        json!({ "Timestamp": 1_788_220_900_000_i64, "CloudWatchMetrics": [described] })
    };
    let plain =
        json!([{"Name": "EventsApplied"}, {"Name": "WebhookDuration", "Unit": "Milliseconds"}]);
    let routed = json!([
        {"Name": "CryptlexCalls", "Unit": "Count"},
        {"Name": "CryptlexLatency", "Unit": "Milliseconds"},
    ]);
    assert_eq!(
        documents_of(&numbers),
        [
            json!({
                "_aws": about(json!(["Provider", "Stack"]), plain),
                "Stack": "payments", "Provider": "stripe", "EventsApplied": 2, "WebhookDuration": [125.0],
            }),
            json!({
                "_aws": about(json!(["Provider", "Route", "Stack"]), routed),
                "Stack": "payments", "Provider": "stripe", "Route": "GET /v3/licenses",
                "CryptlexCalls": 1, "CryptlexLatency": [80.0],
            }),
        ]
    );
    assert_eq!(documents_of(&numbers), Vec::<Value>::new(), "nothing is told twice");
    assert_eq!(numbers.summary(), None);
}

#[test]
fn no_duration_is_dropped_among_many() {
    let numbers = numbers(|| {
        for n in 1..=1_234 {
            webhook(Duration::from_millis(n));
            count(Count::Applied);
        }
    });
    let documents = documents_of(&numbers);
    let lists = documents.iter().map(|document| document["WebhookDuration"].as_array().unwrap());
    assert!(lists.clone().all(|list| list.len() <= 100));
    let values: Vec<f64> = lists.flatten().map(|value| value.as_f64().unwrap()).collect();
    assert_eq!((documents.len(), values.len()), (13, 1_234));
    let slow = values.iter().filter(|value| **value > 1_222.0).count();
    assert!((6..=18).contains(&slow), "{slow} of a hundred are the slowest hundredth");
    let applied: u64 = documents.iter().filter_map(|it| it["EventsApplied"].as_u64()).sum();
    assert_eq!(applied, 1_234);
}

#[test]
fn a_minute_is_printed_as_counts_and_percentiles() {
    let numbers = numbers(|| {
        for n in 1..=1_000 {
            webhook(Duration::from_millis(n));
            count(Count::Duplicate);
        }
        call("POST", "/v3/licenses", Duration::from_millis(80));
    });
    let summary = numbers.summary().unwrap();
    assert!(summary.len() < 400, "{summary}");
    let objects = serde_json::Deserializer::from_str(&summary).into_iter::<Value>();
    let [plain, routed] = objects.map(Result::unwrap).collect::<Vec<_>>().try_into().unwrap();
    assert_eq!((&plain["Provider"], &plain["EventsDuplicate"]), (&json!("stripe"), &json!(1_000)));
    let durations = &plain["WebhookDuration"];
    assert_eq!((&durations["count"], &durations["max"]), (&json!(1_000), &json!(1_000.0)));
    for (name, expected) in [("sum", 500_500.0), ("p50", 500.0), ("p95", 950.0), ("p99", 990.0)] {
        let value = durations[name].as_f64().unwrap();
        assert!((value - expected).abs() <= expected * 0.006, "{name}: {value}");
    }
    let once =
        json!({ "count": 1, "sum": 80.0, "p50": 80.0, "p95": 80.0, "p99": 80.0, "max": 80.0 });
    let expected = json!({
        "Stack": "payments", "Provider": "stripe", "Route": "POST /v3/licenses", "CryptlexCalls": 1, "CryptlexLatency": once,
    });
    assert_eq!(routed, expected);
}

//! How large the record of a subscription is after three years.

use super::bodies;
use super::life::{Life, Sketch};
use super::tell::{self, Journal, Telling};
use crate::support::tell as say;

/// A renewal each month, and a change now and then: seats, a product, a refund, an add-on.
const YEAR: &str = "paid; paid; seats 3; paid; paid; paid; product; paid; paid; paid; seats 2; paid; paid; refund 100; paid; paid; paid";
/// DynamoDB holds 400 KB in an item: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>.
/// An eighth of it leaves room for many licenses. Each line is stored once: with each description it would be half as
/// much again.
const MOST_BYTES: usize = 52 * 1024;

#[tokio::test]
async fn the_record_of_three_years_is_small() {
    for provider in ["stripe", "fastspring", "paddle"] {
        let story = format!("{provider}, month, 2 seats, licenses: {YEAR}; {YEAR}; {YEAR}");
        let sketch: Sketch = story.parse().unwrap();
        let life = Life::of(&sketch);
        let events = bodies::events(&life);
        let order: Vec<usize> = (0..events.len()).collect();
        let mut app = sketch.policy.app().await;
        let mut journal = Journal::default();
        let telling = Telling::of(&order);
        tell::deliver(&mut app, sketch.provider, &events, &telling, &mut journal).await.unwrap();
        let records = app.store().list("subject/").await.unwrap();
        let of_it = records.iter().filter(|(key, _)| key.contains("/subscription/"));
        let largest = of_it.map(|(_, record)| record.value.len()).max().unwrap();
        say(&format!("{provider}: a record of {largest} bytes after {} events", events.len()));
        assert!(largest < MOST_BYTES, "{provider}: {largest} bytes");
    }
}

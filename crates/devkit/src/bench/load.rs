//! Stripe events of as many customers as are wanted.

use serde_json::Value;

use super::BenchError;
use crate::corpus::Text;
use crate::envelope::{Gateway, wrap};
use crate::send::now_unix;
use crate::sign::{Provider, sign};

pub(super) const PROVIDER: Provider = Provider::Stripe;

/// What is sent; the numbers tell subscriptions and customers apart. The ledger remembers what is noted, without a call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    Purchase { number: usize, customer: usize },
    Renewal { number: usize },
    Ignored { number: usize },
    Noted { number: usize },
}

impl Event {
    pub(super) fn subscription(number: usize) -> String {
        format!("sub_{number:07}")
    }

    pub(super) fn body(self) -> Result<Vec<u8>, BenchError> {
        let (kind, number) = match self {
            Event::Purchase { number, .. } => ("purchase", number),
            Event::Renewal { number } => ("renewal", number),
            Event::Ignored { number } => ("ignored", number),
            Event::Noted { number } => ("noted", number),
        };
        let (case, id) = match self {
            Event::Purchase { .. } => ("checkout-subscription", "evt_1Vm46dKdPqWvRn2LNCGxvsdL"),
            Event::Renewal { .. } | Event::Ignored { .. } => {
                ("invoice-cycle", "evt_1RHkB8KdPqWvRn2LKIW2Sd8u")
            }
            Event::Noted { .. } => ("payment-method-attached", "evt_1S5vbTKdPqWvRn2LqORMmGd0"),
        };
        let mut text = Text::of(PROVIDER, case)?;
        text.change(id, &format!("evt_{kind}{number:07}"))?;
        text.rename("sub_1AdalPKdPqWvRn2LIFXNxh5R", &Event::subscription(number));
        for invoice in ["in_15sQ2uKdPqWvRn2LOFAF0du1", "in_1hzOO6KdPqWvRn2LZGH9kzhg"] {
            text.rename(invoice, &format!("in_{kind}{number:07}"));
        }
        let customer = match self {
            Event::Purchase { customer, .. } => customer,
            Event::Renewal { .. } | Event::Ignored { .. } | Event::Noted { .. } => number,
        };
        text.rename("cus_UOM4YOIUd3xZ0G", &format!("cus_{customer:07}"));
        text.rename("ada@example.com", &format!("customer-{customer}@example.com"));
        if let Event::Ignored { .. } = self {
            text.change("\"invoice.paid\"", "\"invoice.created\"")?;
        }
        Ok(text.into_string().into_bytes())
    }

    pub(super) fn envelope(self) -> Result<Value, BenchError> {
        Ok(delivery(PROVIDER, &self.body()?))
    }
}

/// A signed body as a gateway hands it to a function.
pub(super) fn delivery(provider: Provider, body: &[u8]) -> Value {
    let signature = sign(provider, provider.demo_secret(), body, now_unix());
    let headers =
        [("Content-Type", "application/json"), (provider.signature_header(), signature.as_str())];
    wrap(Gateway::Rest, false, "POST", provider.path(), &headers, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_events_differ_and_share_no_id_of_the_corpus() {
        let all = [
            Event::Purchase { number: 1, customer: 1 },
            Event::Purchase { number: 2, customer: 1 },
            Event::Renewal { number: 1 },
            Event::Renewal { number: 2 },
            Event::Ignored { number: 1 },
            Event::Noted { number: 1 },
            Event::Noted { number: 2 },
        ];
        let bodies: Vec<String> =
            all.iter().map(|event| String::from_utf8(event.body().unwrap()).unwrap()).collect();
        for (event, body) in all.iter().zip(&bodies) {
            for of_the_corpus in ["evt_1", "sub_1", "in_1", "cus_U", "ada@"] {
                assert!(!body.contains(of_the_corpus), "{event:?} shares {of_the_corpus}");
            }
            assert_eq!(bodies.iter().filter(|other| *other == body).count(), 1, "{event:?}");
        }
    }
}

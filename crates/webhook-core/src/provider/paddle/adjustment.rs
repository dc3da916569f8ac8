//! Adjustments: refunds and chargebacks of a transaction, once they are approved.

use super::super::{Provider as _, payment_ids, subject_of};
use super::{Paddle, about, items};
use crate::command::{
    Action, Back, Cause, Command, Concern, Note, Reversal, Reversed, Stands, SubjectKind,
    Unreadable,
};
use crate::ids::PaymentId;
use crate::json::Object;

/// `adjustment.created`, `adjustment.updated`: one command about whatever the transaction, or those of its items that are
/// adjusted in full, paid for.
pub(super) fn changed(adjustment: &Object<'_>) -> Result<Vec<Command>, Unreadable> {
    let id = adjustment.text("transaction_id");
    let subject = subject_of(Paddle::NAME, SubjectKind::Order, adjustment, "transaction_id", id)?;
    let approved = adjustment.text("status") == Some("approved");
    let change = match (adjustment.text("action"), approved) {
        (_, false) => Err("the adjustment is not approved"),
        (Some("refund"), true) => Ok((Cause::Refund, Stands::Open)),
        (Some("chargeback"), true) => Ok((Cause::Dispute, Stands::Open)),
        (Some("chargeback_reverse"), true) => Ok((Cause::Dispute, Stands::TakenBack)),
        (_, true) => Err("the adjustment takes nothing back"),
    };
    let (cause, stands) = match change {
        Ok(change) => change,
        Err(why) => return Ok(vec![about(subject, Action::Note(Note::of(why)))]),
    };
    let opened = (cause, stands) == (Cause::Dispute, Stands::Open);
    let concern = opened.then_some(Concern::DisputeOpened);
    let of = match Extent::of(adjustment) {
        Extent::Whole => Reversed::Payment(payment_ids([id])),
        Extent::Items(items) => Reversed::Items(items),
        Extent::Part => {
            let note = Note::of("the adjustment takes back a part");
            return Ok(vec![Command { concern, ..about(subject, Action::Note(note)) }]);
        }
    };
    let action =
        Action::Reverse(Reversal { cause, stands, since: None, of, back: Back::default() });
    Ok(vec![Command { concern, ..about(subject, action) }])
}

/// How much of a transaction an adjustment takes back.
enum Extent {
    Whole,
    /// Items in full, by what all of them together are known by.
    Items(PaymentId),
    Part,
}

impl Extent {
    /// The adjustment's own `type`, or the `type` of its items; amounts decide nothing. What has no `type`, as data from
    /// before there were types, counts by its items, too: any refund had none then.
    /// <https://developer.paddle.com/changelog/2024/refund-credit-full-total>
    fn of(adjustment: &Object<'_>) -> Self {
        if adjustment.text("type") == Some("full") {
            return Self::Whole;
        }
        let adjusted = adjustment.objects("items", "adjustment item");
        let full = adjusted.iter().filter(|item| item.text("type") == Some("full"));
        items::together(full.map(|item| item.text("item_id"))).map_or(Self::Part, Self::Items)
    }
}

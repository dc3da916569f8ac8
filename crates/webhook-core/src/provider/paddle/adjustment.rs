//! Adjustments: refunds and chargebacks of a transaction, once they are approved.

use super::super::{Provider as _, payment_ids, subject_of};
use super::{Paddle, about};
use crate::command::{
    Action, Cause, Command, Concern, Note, Reversal, Reversed, Stands, SubjectKind, Unreadable,
};
use crate::json::Object;

/// `adjustment.created`, `adjustment.updated`: one command about whatever the transaction paid for.
pub(super) fn changed(adjustment: &Object<'_>) -> Result<Vec<Command>, Unreadable> {
    let id = adjustment.text("transaction_id");
    let subject = subject_of(Paddle::NAME, SubjectKind::Order, adjustment, "transaction_id", id)?;
    let approved = adjustment.text("status") == Some("approved");
    // Data from before there were types has none.
    let whole = matches!(adjustment.text("type"), Some("full") | None);
    let change = match (adjustment.text("action"), approved, whole) {
        (_, false, _) => Err("the adjustment is not approved"),
        (Some("refund"), true, true) => Ok((Cause::Refund, Stands::Open)),
        (Some("chargeback"), true, true) => Ok((Cause::Dispute, Stands::Open)),
        (Some("chargeback_reverse"), true, true) => Ok((Cause::Dispute, Stands::TakenBack)),
        (_, true, _) => Err("the adjustment takes back a part, or nothing"),
    };
    let concern = matches!(change, Ok((Cause::Dispute, Stands::Open)));
    let action = match change {
        Ok((cause, stands)) => {
            let of = Reversed::Payment(payment_ids([id]));
            Action::Reverse(Reversal { cause, stands, since: None, of })
        }
        Err(why) => Action::Note(Note::of(why)),
    };
    let concern = concern.then_some(Concern::DisputeOpened);
    Ok(vec![Command { concern, ..about(subject, action) }])
}

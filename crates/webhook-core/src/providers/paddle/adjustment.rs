//! Adjustments: refunds and chargebacks of a transaction, once they are approved.

use super::super::{Profile as _, amount, payment_ids, subject_of};
use super::{Paddle, about};
use crate::domain::command::{
    Action, Back, BackItem, Command, Concern, Funds, Note, Reversal, SubjectKind, SuspensionReason,
    Unreadable,
};
use crate::providers::json::Object;

/// `adjustment.created`, `adjustment.updated`: one command about whatever the transaction, or those of its items that are
/// adjusted, paid for.
pub(super) fn changed(adjustment: &Object<'_>) -> Result<Vec<Command>, Unreadable> {
    let id = adjustment.text("transaction_id");
    let subject = subject_of(Paddle::NAME, SubjectKind::Order, adjustment, "transaction_id", id)?;
    let change = match (adjustment.text("action"), adjustment.text("status")) {
        (Some("refund"), Some("approved")) => Ok((SuspensionReason::Refund, Funds::Withdrawn)),
        // The end of a chargeback has an adjustment of its own; that of a refund would have none.
        (Some("refund"), Some("reversed")) => Ok((SuspensionReason::Refund, Funds::Reinstated)),
        (Some("chargeback"), Some("approved")) => Ok((SuspensionReason::Dispute, Funds::Withdrawn)),
        (Some("chargeback_reverse"), Some("approved")) => {
            Ok((SuspensionReason::Dispute, Funds::Reinstated))
        }
        (_, Some("approved")) => Err("the adjustment takes nothing back"),
        (_, Some(_) | None) => Err("the adjustment is not approved"),
    };
    let (cause, funds) = match change {
        Ok(change) => change,
        Err(why) => return Ok(vec![about(subject, Action::Note(Note::of(why)))]),
    };
    let opened = (cause, funds) == (SuspensionReason::Dispute, Funds::Withdrawn);
    let concern = opened.then_some(Concern::DisputeOpened);
    let ends_another = adjustment.text("action") == Some("chargeback_reverse");
    let (ids, back) = (payment_ids([id]), Back { ends_another, ..back(adjustment) });
    let action = Action::Reverse(Reversal { cause, funds, since: None, ids, back });
    Ok(vec![Command { concern, ..about(subject, action) }])
}

fn back(adjustment: &Object<'_>) -> Back {
    let totals = adjustment.object("totals", "totals");
    let currency = adjustment
        .currency("currency_code")
        .or_else(|| totals.and_then(|totals| totals.currency("currency_code")));
    let total = totals.and_then(|totals| totals.minor_units("total"));
    let (is_whole, items) = extent(adjustment);
    let id = adjustment.text("id").map(str::to_owned);
    Back { id, amount: amount(total, currency), is_whole, items, ..Back::default() }
}

/// Whether an adjustment takes all of a transaction back, and if not, which of its items. The word is the adjustment's own
/// `type`, and the `type` of each item. What has no `type`, as data from before there were types, counts by its items, too.
/// <https://developer.paddle.com/changelog/2024/refund-credit-full-total>
fn extent(adjustment: &Object<'_>) -> (Option<bool>, Vec<BackItem>) {
    let is_whole = adjustment.text("type").map(|kind| kind == "full");
    if is_whole == Some(true) {
        return (is_whole, Vec::new());
    }
    let adjusted = adjustment.objects("items", "adjustment item");
    let is_said = adjusted.iter().any(|item| item.text("type").is_some());
    let is_whole = is_whole.or(is_said.then_some(false));
    // One without an id may be of any: then the sum alone tells how much of the transaction it is.
    let items = adjusted.iter().map(item).collect::<Option<_>>();
    (is_whole, items.unwrap_or_default())
}

fn item(adjusted: &Object<'_>) -> Option<BackItem> {
    let totals = adjusted.object("totals", "totals");
    let total = totals.and_then(|totals| totals.minor_units("total"));
    Some(BackItem {
        id: adjusted.text("item_id")?.to_owned(),
        value: total.or(adjusted.minor_units("amount")),
        is_whole: adjusted.text("type").map(|kind| kind == "full"),
    })
}

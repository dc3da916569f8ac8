//! Refunds and disputes: of a charge, by its payment intent.

use jiff::Timestamp;

use super::super::{ProductSource, Provider as _, payment_ids, subject_of};
use super::{Decided, Stripe, of_data};
use crate::command::{
    Action, Back, Cause, Command, Concern, Note, Reversal, Reversed, Stands, SubjectKind,
    Unreadable,
};
use crate::ids::Mark;
use crate::json::Object;

/// `charge.refunded`: also sent for a part of the amount.
pub(super) fn refunded(data: &Object<'_>, _source: &ProductSource) -> Result<Decided, Unreadable> {
    let charge = of_data(data, "charge")?;
    let whole = charge.flag("refunded") == Some(true);
    let action = reversal(&charge, charge.text("id"), Cause::Refund, Stands::Open, None);
    about(&charge, if whole { action } else { Action::Note(Note::of("a part was refunded")) })
}

/// `refund.failed`: the money is back.
pub(super) fn refund_failed(
    data: &Object<'_>,
    _source: &ProductSource,
) -> Result<Decided, Unreadable> {
    let refund = of_data(data, "refund")?;
    let action =
        reversal(&refund, refund.reference("charge"), Cause::Refund, Stands::TakenBack, None);
    about(&refund, action)
}

/// `charge.dispute.created`. No money moves for an inquiry: <https://docs.stripe.com/disputes/how-disputes-work#inquiries>.
pub(super) fn dispute_opened(
    data: &Object<'_>,
    _source: &ProductSource,
) -> Result<Decided, Unreadable> {
    let dispute = of_data(data, "dispute")?;
    if is_inquiry(&dispute) {
        return about(&dispute, Action::Note(Note::of(INQUIRY)));
    }
    opened(&dispute, None)
}

/// `charge.dispute.funds_withdrawn`: of a dispute when it is opened, of an inquiry when it becomes one.
pub(super) fn funds_withdrawn(
    data: &Object<'_>,
    _source: &ProductSource,
) -> Result<Decided, Unreadable> {
    let dispute = of_data(data, "dispute")?;
    opened(&dispute, withdrawn_at(&dispute))
}

/// `charge.dispute.funds_reinstated`.
pub(super) fn funds_reinstated(
    data: &Object<'_>,
    _source: &ProductSource,
) -> Result<Decided, Unreadable> {
    let dispute = of_data(data, "dispute")?;
    disputed(&dispute, Stands::TakenBack, None)
}

/// `charge.dispute.updated`: its status tells an inquiry that has become a dispute, and how a dispute ended.
pub(super) fn dispute_updated(
    data: &Object<'_>,
    _source: &ProductSource,
) -> Result<Decided, Unreadable> {
    let dispute = of_data(data, "dispute")?;
    match dispute.text("status") {
        Some("needs_response" | "under_review") => opened(&dispute, withdrawn_at(&dispute)),
        Some(_) | None => ended(&dispute, "the dispute has a status that moves no money"),
    }
}

/// `charge.dispute.closed`.
pub(super) fn dispute_closed(
    data: &Object<'_>,
    _source: &ProductSource,
) -> Result<Decided, Unreadable> {
    ended(&of_data(data, "dispute")?, "the dispute was closed another way")
}

const INQUIRY: &str = "an inquiry moves no money";

fn ended(dispute: &Object<'_>, otherwise: &'static str) -> Result<Decided, Unreadable> {
    let since = withdrawn_at(dispute).or(dispute.seconds("created")?);
    match dispute.text("status") {
        Some("won") => disputed(dispute, Stands::TakenBack, since),
        Some("lost") => disputed(dispute, Stands::Lost, since),
        Some(_) if is_inquiry(dispute) => about(dispute, Action::Note(Note::of(INQUIRY))),
        Some(_) | None => about(dispute, Action::Note(Note::of(otherwise))),
    }
}

fn opened(dispute: &Object<'_>, since: Option<Timestamp>) -> Result<Decided, Unreadable> {
    let mut commands = disputed(dispute, Stands::Open, since)?;
    if let Decided::Commands(commands) = &mut commands {
        commands.iter_mut().for_each(|command| command.concern = Some(Concern::DisputeOpened));
    }
    Ok(commands)
}

fn disputed(
    dispute: &Object<'_>,
    stands: Stands,
    since: Option<Timestamp>,
) -> Result<Decided, Unreadable> {
    about(dispute, reversal(dispute, dispute.reference("charge"), Cause::Dispute, stands, since))
}

/// When the money went, where the dispute lists it. Of an inquiry that became a dispute that is later than its creation.
fn withdrawn_at(dispute: &Object<'_>) -> Option<Timestamp> {
    let moved = dispute.objects("balance_transactions", "balance transaction");
    let withdrawn = moved.iter().filter(|moved| moved.amount("amount").is_some_and(|n| n < 0.0));
    withdrawn.filter_map(|moved| moved.seconds("created").ok().flatten()).min()
}

fn is_inquiry(dispute: &Object<'_>) -> bool {
    dispute.text("status").is_some_and(|status| status.starts_with("warning_"))
}

/// New payloads know the payment intent only; old ones also the invoice.
fn reversal(
    object: &Object<'_>,
    charge: Option<&str>,
    cause: Cause,
    stands: Stands,
    since: Option<Timestamp>,
) -> Action {
    let ids = [object.reference("payment_intent"), charge, object.reference("invoice")];
    let of = Reversed::Payment(payment_ids(ids));
    Action::Reverse(Reversal { cause, stands, since, of, back: Back::default() })
}

/// Where the ledger does not know the payment, the licenses of a one-time purchase carry its payment intent.
fn about(object: &Object<'_>, action: Action) -> Result<Decided, Unreadable> {
    let intent = object.reference("payment_intent");
    let id = intent.or(object.reference("charge")).or(object.text("id"));
    let subject = subject_of(Stripe::NAME, SubjectKind::Order, object, "payment_intent", id)?;
    let marks = intent.and_then(|id| Mark::new("stripe_transaction_id", id).ok());
    Ok(Command::new(subject, marks.into_iter().collect(), action).into())
}

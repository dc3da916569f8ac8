//! Refunds and disputes: of a charge, by its payment intent.

use jiff::Timestamp;

use super::super::{ProductLookup, Profile as _, amount, payment_ids, subject_of};
use super::{Decided, Stripe, of_data};
use crate::domain::command::{
    Action, Amount, Back, Called, Command, Concern, Funds, Note, OfPayment, Reversal, SubjectKind,
    Sum, SuspensionReason, Unreadable,
};
use crate::domain::ids::{Mark, PaymentId};
use crate::providers::json::Object;

/// `charge.refunded`: also sent for a part of the amount. It tells the sum of all refunds so far.
pub(super) fn refunded(data: &Object<'_>, _source: &ProductLookup) -> Result<Decided, Unreadable> {
    let charge = of_data(data, "charge")?;
    let back = Back {
        id: charge.text("id").map(str::to_owned),
        sum: Sum::SoFar,
        amount: money(&charge, "amount_refunded"),
        of: captured(&charge),
        is_whole: charge.flag("refunded"),
        ..Back::default()
    };
    let reversal =
        reversal(&charge, charge.text("id"), SuspensionReason::Refund, Funds::Withdrawn, None);
    about(&charge, Action::Reverse(Reversal { back, ..reversal }))
}

/// `charge.captured`: what was authorised is paid.
pub(super) fn paid(data: &Object<'_>, _source: &ProductLookup) -> Result<Decided, Unreadable> {
    let charge = of_data(data, "charge")?;
    let ids = ids(&charge, charge.text("id"));
    let captured = OfPayment::Captured { ids, amount: captured(&charge) };
    about(&charge, Action::OfPayment(captured))
}

/// Less may be captured than was authorised.
fn captured(charge: &Object<'_>) -> Option<Amount> {
    money(charge, "amount_captured").or(money(charge, "amount"))
}

fn money(object: &Object<'_>, field: &str) -> Option<Amount> {
    amount(object.minor_units(field), object.currency("currency"))
}

/// `refund.updated`: what happens to a refund that does not fail, the event of its charge tells.
pub(super) fn refund_updated(
    data: &Object<'_>,
    source: &ProductLookup,
) -> Result<Decided, Unreadable> {
    match of_data(data, "refund")?.text("status") {
        Some("failed") => refund_failed(data, source),
        Some(_) | None => Ok(Decided::Unhandled),
    }
}

/// `refund.failed`: the money is back.
pub(super) fn refund_failed(
    data: &Object<'_>,
    _source: &ProductLookup,
) -> Result<Decided, Unreadable> {
    let refund = of_data(data, "refund")?;
    let charge = refund.reference("charge");
    let back = Back {
        id: charge.map(str::to_owned),
        sum: Sum::Failed,
        amount: money(&refund, "amount"),
        refund: refund.text("id").map(str::to_owned),
        ..Back::default()
    };
    let reversal = reversal(&refund, charge, SuspensionReason::Refund, Funds::Reinstated, None);
    about(&refund, Action::Reverse(Reversal { back, ..reversal }))
}

/// `charge.dispute.created`. No money moves for an inquiry: <https://docs.stripe.com/disputes/how-disputes-work#inquiries>.
pub(super) fn dispute_opened(
    data: &Object<'_>,
    _source: &ProductLookup,
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
    _source: &ProductLookup,
) -> Result<Decided, Unreadable> {
    let dispute = of_data(data, "dispute")?;
    opened(&dispute, withdrawn_at(&dispute))
}

/// `charge.dispute.funds_reinstated`.
pub(super) fn funds_reinstated(
    data: &Object<'_>,
    _source: &ProductLookup,
) -> Result<Decided, Unreadable> {
    let dispute = of_data(data, "dispute")?;
    disputed(&dispute, Funds::Reinstated, None)
}

/// `charge.dispute.updated`: its status tells an inquiry that has become a dispute, and how a dispute ended.
pub(super) fn dispute_updated(
    data: &Object<'_>,
    _source: &ProductLookup,
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
    _source: &ProductLookup,
) -> Result<Decided, Unreadable> {
    ended(&of_data(data, "dispute")?, "the dispute was closed with a status that moves no money")
}

const INQUIRY: &str = "an inquiry moves no money";

fn ended(dispute: &Object<'_>, otherwise: &'static str) -> Result<Decided, Unreadable> {
    let since = withdrawn_at(dispute).or(dispute.seconds("created")?);
    match dispute.text("status") {
        Some("won") => disputed(dispute, Funds::Reinstated, since),
        Some("lost") => disputed(dispute, Funds::Lost, since),
        Some(_) if is_inquiry(dispute) => about(dispute, Action::Note(Note::of(INQUIRY))),
        Some(_) | None => about(dispute, Action::Note(Note::of(otherwise))),
    }
}

fn opened(dispute: &Object<'_>, since: Option<Timestamp>) -> Result<Decided, Unreadable> {
    let mut commands = disputed(dispute, Funds::Withdrawn, since)?;
    if let Decided::Commands(commands) = &mut commands {
        commands.iter_mut().for_each(|command| command.concern = Some(Concern::DisputeOpened));
    }
    Ok(commands)
}

fn disputed(
    dispute: &Object<'_>,
    funds: Funds,
    since: Option<Timestamp>,
) -> Result<Decided, Unreadable> {
    let back = Back {
        id: dispute.text("id").map(str::to_owned),
        amount: money(dispute, "amount"),
        ..Back::default()
    };
    let reversal =
        reversal(dispute, dispute.reference("charge"), SuspensionReason::Dispute, funds, since);
    about(dispute, Action::Reverse(Reversal { back, ..reversal }))
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

fn reversal(
    object: &Object<'_>,
    charge: Option<&str>,
    cause: SuspensionReason,
    funds: Funds,
    since: Option<Timestamp>,
) -> Reversal {
    let ids = ids(object, charge);
    Reversal { cause, funds, since, ids, back: Back::default() }
}

/// New payloads know the payment intent only; old ones also the invoice.
fn ids(object: &Object<'_>, charge: Option<&str>) -> Vec<PaymentId> {
    payment_ids([object.reference("payment_intent"), charge, object.reference("invoice")])
}

/// Where the ledger does not know the payment, the licenses of a one-time purchase carry its payment intent.
fn about(object: &Object<'_>, action: Action) -> Result<Decided, Unreadable> {
    let intent = object.reference("payment_intent");
    let id = intent.or(object.reference("charge")).or(object.text("id"));
    let subject = subject_of(Stripe::NAME, SubjectKind::Order, object, "payment_intent", id)?;
    let marks = intent.and_then(|id| Mark::new("stripe_transaction_id", id).ok());
    let marks = marks.into_iter().collect();
    Ok(Command { called: Called::Payment, ..Command::new(subject, marks, action) }.into())
}

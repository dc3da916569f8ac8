//! Refunds and disputes: of a charge, by its payment intent.

use jiff::Timestamp;

use super::super::{ProductSource, Provider as _, payment_ids, subject_of};
use super::{Decided, Stripe, of_data};
use crate::command::{
    Action, Cause, Command, Concern, Note, Reversal, Reversed, Stands, SubjectKind, Unreadable,
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
        return about(&dispute, Action::Note(Note::of("an inquiry moves no money")));
    }
    let charge = dispute.reference("charge");
    let mut commands =
        about(&dispute, reversal(&dispute, charge, Cause::Dispute, Stands::Open, None))?;
    if let Decided::Commands(commands) = &mut commands {
        commands.iter_mut().for_each(|command| command.concern = Some(Concern::DisputeOpened));
    }
    Ok(commands)
}

/// `charge.dispute.closed`.
pub(super) fn dispute_closed(
    data: &Object<'_>,
    _source: &ProductSource,
) -> Result<Decided, Unreadable> {
    let dispute = of_data(data, "dispute")?;
    let opened = dispute.seconds("created")?;
    let stands = match dispute.text("status") {
        Some("won") => Stands::TakenBack,
        Some("lost") => Stands::Lost,
        Some(_) if is_inquiry(&dispute) => {
            return about(&dispute, Action::Note(Note::of("an inquiry moves no money")));
        }
        Some(_) | None => {
            return about(&dispute, Action::Note(Note::of("the dispute was closed another way")));
        }
    };
    let charge = dispute.reference("charge");
    about(&dispute, reversal(&dispute, charge, Cause::Dispute, stands, opened))
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
    Action::Reverse(Reversal { cause, stands, since, of })
}

/// Where the ledger does not know the payment, the licenses of a one-time purchase carry its payment intent.
fn about(object: &Object<'_>, action: Action) -> Result<Decided, Unreadable> {
    let intent = object.reference("payment_intent");
    let id = intent.or(object.reference("charge")).or(object.text("id"));
    let subject = subject_of(Stripe::NAME, SubjectKind::Order, object, "payment_intent", id)?;
    let marks = intent.and_then(|id| Mark::new("stripe_transaction_id", id).ok());
    Ok(Command::new(subject, marks.into_iter().collect(), action).into())
}

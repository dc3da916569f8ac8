//! Returns and chargebacks: of an order, whatever it bought.

use super::super::{Provider as _, payment_ids, subject_of};
use super::FastSpring;
use crate::command::{
    Action, Cause, Command, Concern, Note, Reversal, Reversed, Stands, SubjectKind, Unreadable,
};
use crate::json::Object;

/// `return.created`: done, and of everything that was ordered.
pub(super) fn returned(returned: &Object<'_>) -> Result<Command, Unreadable> {
    let original = returned.object("original", "original order");
    let order = original.and_then(|order| order.reference("id").or(order.reference("order")));
    let order = order.or(returned.reference("original"));
    let items = returned.objects("items", "returned item");
    let whole = !items.is_empty()
        && items.iter().all(|item| {
            item.text("refundType").is_some_and(|kind| kind.eq_ignore_ascii_case("full refund"))
        });
    let instead = match (returned.flag("completed"), whole) {
        (Some(true), true) => None,
        (Some(true), false) => Some("a part was returned"),
        (Some(false) | None, _) => Some("the return is not completed"),
    };
    about(returned, "original.order", order, Cause::Refund, instead)
}

/// `chargeback.created`.
pub(super) fn charged_back(chargeback: &Object<'_>) -> Result<Command, Unreadable> {
    let order = chargeback.reference("order");
    let command = about(chargeback, "order", order, Cause::Dispute, None)?;
    Ok(Command { concern: Some(Concern::DisputeOpened), ..command })
}

fn about(
    object: &Object<'_>,
    field: &str,
    order: Option<&str>,
    cause: Cause,
    instead: Option<&'static str>,
) -> Result<Command, Unreadable> {
    let subject = subject_of(FastSpring::NAME, SubjectKind::Order, object, field, order)?;
    let of = Reversed::Payment(payment_ids([order]));
    let action = match instead {
        Some(why) => Action::Note(Note::of(why)),
        None => Action::Reverse(Reversal { cause, stands: Stands::Open, of }),
    };
    let marks = FastSpring::marks(&subject);
    Ok(Command::new(subject, marks, action))
}

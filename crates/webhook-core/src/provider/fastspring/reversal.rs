//! Returns and chargebacks: of an order, whatever it bought.

use super::super::{Provider as _, payment_ids, subject_of};
use super::FastSpring;
use crate::command::{
    Action, Back, Cause, Command, Concern, Note, Reversal, Reversed, Stands, SubjectKind,
    Unreadable,
};
use crate::json::Object;

/// Amounts are decimal numbers in the order's currency.
const HALF_A_CENT: f64 = 0.005;

/// `return.created`: done, and of everything that was ordered.
pub(super) fn returned(returned: &Object<'_>) -> Result<Command, Unreadable> {
    let original = returned.object("original", "original order");
    let order = original.and_then(|order| order.reference("id").or(order.reference("order")));
    let order = order.or(returned.reference("original"));
    let items = returned.objects("items", "returned item");
    let whole_items = !items.is_empty()
        && items.iter().all(|item| {
            item.text("refundType").is_some_and(|kind| kind.eq_ignore_ascii_case("full refund"))
        });
    let instead = match (returned.flag("completed"), is_all(returned, original), whole_items) {
        (Some(true), Some(true), _) | (Some(true), None, true) => None,
        (Some(true), Some(false), true) => {
            Some(("a whole item was returned of a larger order", Some(Concern::NothingReversed)))
        }
        (Some(true), Some(false) | None, false) => Some(("a part was returned", None)),
        (Some(false) | None, _, _) => Some(("the return is not completed", None)),
    };
    let why = instead.map(|(why, _)| why);
    let action = match why {
        Some(why) => Action::Note(Note::of(why)),
        None => reversal(order, Cause::Refund, Stands::Open),
    };
    let command = about(returned, "original.order", order, action)?;
    Ok(Command { concern: instead.and_then(|(_, concern)| concern), ..command })
}

/// The items of a return do not tell what else was ordered; amounts do, in the same currency. Of what went back before, no
/// event tells the tax: the net amounts count too.
fn is_all(returned: &Object<'_>, original: Option<Object<'_>>) -> Option<bool> {
    let currencies = returned.text("currency").zip(original?.text("currency"));
    if currencies.is_some_and(|(back, paid)| !back.eq_ignore_ascii_case(paid)) {
        return None;
    }
    let amounts = [("totalReturn", "total"), ("subtotal", "subtotal")].map(|(back, paid)| {
        let paid = original?.amount(paid).filter(|paid| *paid > 0.0)?;
        Some(returned.amount(back)? > paid - HALF_A_CENT)
    });
    amounts.into_iter().flatten().reduce(|one, other| one || other)
}

/// `chargeback.created`.
pub(super) fn charged_back(chargeback: &Object<'_>) -> Result<Command, Unreadable> {
    let order = chargeback.reference("order");
    let action = reversal(order, Cause::Dispute, Stands::Open);
    let command = about(chargeback, "order", order, action)?;
    Ok(Command { concern: Some(Concern::DisputeOpened), ..command })
}

/// `chargeback.won`: the money is the vendor's after all. Nobody documents it; it is read as the event that it ends.
pub(super) fn chargeback_won(chargeback: &Object<'_>) -> Result<Command, Unreadable> {
    let order = chargeback.reference("order");
    about(chargeback, "order", order, reversal(order, Cause::Dispute, Stands::TakenBack))
}

fn reversal(order: Option<&str>, cause: Cause, stands: Stands) -> Action {
    let of = Reversed::Payment(payment_ids([order]));
    Action::Reverse(Reversal { cause, stands, since: None, of, back: Back::default() })
}

fn about(
    object: &Object<'_>,
    field: &str,
    order: Option<&str>,
    action: Action,
) -> Result<Command, Unreadable> {
    let subject = subject_of(FastSpring::NAME, SubjectKind::Order, object, field, order)?;
    let marks = FastSpring::marks(&subject);
    Ok(Command::new(subject, marks, action))
}

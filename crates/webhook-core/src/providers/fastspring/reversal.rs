//! Returns and chargebacks: of an order, whatever it bought.

use super::super::{Profile as _, Provider as _, amount, payment_ids, subject_of};
use super::FastSpring;
use super::attributes::product_path;
use crate::domain::command::{
    Action, Back, BackItem, Command, Concern, Funds, Note, Reversal, SubjectKind, SuspensionReason,
    Unreadable,
};
use crate::providers::json::Object;

/// Amounts are decimal numbers in the order's currency.
const HALF_A_CENT: f64 = 0.005;

/// `return.created`: of everything that was ordered, or of a part.
pub(super) fn returned(returned: &Object<'_>) -> Result<Command, Unreadable> {
    let original = returned.object("original", "original order");
    let order = original.and_then(|order| order.reference("id").or(order.reference("order")));
    let order = order.or(returned.reference("original"));
    let items = returned.objects("items", "returned item");
    let is_in_full = !items.is_empty() && items.iter().all(is_full);
    let is_all = is_all(returned, original);
    if returned.flag("completed") != Some(true) {
        let note = Note::of("the return is not completed");
        return about(returned, "original.order", order, Action::Note(note));
    }
    let is_whole = is_all.unwrap_or(is_in_full);
    let currency = returned.currency("currency");
    let paid_in = original.and_then(|order| order.currency("currency"));
    let paid = original.and_then(|order| order.thousandths("total"));
    let back = Back {
        id: returned.text("return").or(returned.text("id")).map(str::to_owned),
        amount: amount(returned.thousandths("totalReturn"), currency.clone()),
        of: amount(paid, paid_in.or(currency)),
        is_whole: Some(is_whole),
        items: if is_whole { Vec::new() } else { named(&items) },
        ..Back::default()
    };
    let action = reversal(order, SuspensionReason::Refund, Funds::Withdrawn, back);
    about(returned, "original.order", order, action)
}

fn is_full(item: &Object<'_>) -> bool {
    item.text("refundType").is_some_and(|kind| kind.eq_ignore_ascii_case("full refund"))
}

/// The items by their paths. Of a part of one FastSpring tells the name that customers see in place of the path, and
/// `display` empty: then it names none.
fn named(items: &[Object<'_>]) -> Vec<BackItem> {
    let item = |item: &Object<'_>| {
        let id = product_path(item).filter(|_| item.text("display").is_some() || is_full(item))?;
        let (value, is_whole) = (item.thousandths("subtotal"), Some(is_full(item)));
        Some(BackItem { id: id.to_owned(), value, is_whole })
    };
    items.iter().map(item).collect::<Option<_>>().unwrap_or_default()
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
    let action = reversal(order, SuspensionReason::Dispute, Funds::Withdrawn, disputed(chargeback));
    let command = about(chargeback, "order", order, action)?;
    Ok(Command { concern: Some(Concern::DisputeOpened), ..command })
}

/// `chargeback.won`: the money is the vendor's after all. Nobody documents it; it is read as the event that it ends.
pub(super) fn chargeback_won(chargeback: &Object<'_>) -> Result<Command, Unreadable> {
    let order = chargeback.reference("order");
    let action =
        reversal(order, SuspensionReason::Dispute, Funds::Reinstated, disputed(chargeback));
    about(chargeback, "order", order, action)
}

/// Its id is the order's in the documented sample.
fn disputed(chargeback: &Object<'_>) -> Back {
    let id = chargeback.text("id").or(chargeback.reference("order"));
    let amount =
        amount(chargeback.thousandths("chargebackAmount"), chargeback.currency("currency"));
    Back { id: id.map(str::to_owned), amount, ..Back::default() }
}

fn reversal(order: Option<&str>, cause: SuspensionReason, funds: Funds, back: Back) -> Action {
    let ids = payment_ids([order]);
    Action::Reverse(Reversal { cause, funds, since: None, ids, back })
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

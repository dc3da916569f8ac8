//! What an event came to: whether it had an effect, and what a person should know of it.

use jiff::Timestamp;

use super::fold::is_for_a_change;
use super::plan::{Plan, Refused};
use crate::decide::snapshot::Snapshot;
use crate::domain::command::{
    Action, Command, Concern, Effect, Funds, Grant, NoteEffect, Renew, SubjectKind,
    SuspensionReason, Through, Undated,
};
use crate::domain::entitlement::{Entitlements, Purchase};
use crate::domain::fact::{Fact, MoneyBack};
use crate::domain::policy::{AtTheEnd, Policy, Refunded};
use crate::domain::work::Work;

/// The plan of the event, with what is to be said of it once no step is left: by what the facts call for `without` it and
/// with it.
pub(super) fn of(
    work: &Work<'_>,
    (without, wanted): (&Entitlements, &Entitlements),
    mut plan: Plan,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<Plan, Refused> {
    let changes_nothing = without == wanted;
    for command in &work.commands {
        match &command.action {
            Action::Renew(renew) => {
                renewed(command, renew, work.at, wanted, &mut plan, snapshot, policy)?;
            }
            Action::PaymentFailed(_) => {
                let newer = snapshot.state.facts.all().any(|fact| fact.at > work.at);
                if wanted.failing.is_none_or(|failing| failing < work.at) {
                    plan.stale = newer;
                    plan.noted =
                        Some("the period of the failed payment, or a later one, is paid already");
                }
            }
            Action::Suspend(_) | Action::Resume(_) | Action::End => {
                plan.stale |= changes_nothing && is_older(work, snapshot);
            }
            Action::Note(note) => {
                if let NoteEffect::Undelivered(line) = &note.effect
                    && wanted.purchase == Purchase::Unknown
                {
                    plan.unmapped.push(line.clone());
                    plan.concern = Some(Concern::Undelivered);
                }
            }
            Action::Grant(grant) => granted(grant, wanted, &mut plan),
            Action::ChangePlan(to) => {
                changed(to.takes_effect, wanted, changes_nothing, &mut plan, snapshot);
            }
            Action::Reverse(_) | Action::OfPayment(_) | Action::SyncCustomer(..) => {}
        }
    }
    if wanted.new_owner.is_some() && wanted.new_owner != without.new_owner {
        plan.concern = plan.concern.or(Some(Concern::SubscriptionMoved));
    }
    for back in work.facts.iter().filter_map(Fact::money_back) {
        reversed(work, back, (without, wanted), &mut plan, snapshot, policy);
    }
    joined(work, &mut plan, snapshot, policy);
    Ok(plan)
}

/// Reports money back of a change that was told before its payment, once this event tells the payment.
fn joined(work: &Work<'_>, plan: &mut Plan, snapshot: &Snapshot, policy: &Policy) {
    let facts = &snapshot.state.facts;
    let is_own = |back: &MoneyBack| work.facts.iter().any(|own| own.money_back() == Some(back));
    let is_back_again = |back: &MoneyBack| {
        let mut others = facts.all().filter_map(Fact::money_back);
        let is_of_it = |it: &MoneyBack| it.ids.iter().any(|id| back.ids.contains(id));
        others.any(|it| (it.cause, it.funds) == (back.cause, Funds::Reinstated) && is_of_it(it))
    };
    let backs = facts.unsettled().filter_map(Fact::money_back).filter(|back| {
        let is_all = back.back.is_whole != Some(false) && back.back.items.is_empty();
        is_all && !is_own(back) && back.funds != Funds::Reinstated && !is_back_again(back)
    });
    let of_a_change = backs.filter(|back| is_of_a_change(work, back, snapshot, policy)).last();
    if let Some(back) = of_a_change {
        plan.change_back = Some(Box::new(back.clone()));
        plan.concern = plan.concern.or(Some(Concern::NothingReversed));
    }
}

/// Whether the subscription stays licensed without that money: it paid for a change.
fn is_of_a_change(work: &Work<'_>, back: &MoneyBack, snapshot: &Snapshot, policy: &Policy) -> bool {
    let facts = &snapshot.state.facts;
    work.subject.kind == SubjectKind::Subscription
        // Else its payment may be forgotten.
        && facts.dropped().is_none()
        && (back.cause != SuspensionReason::Refund || policy.refunded != Refunded::ChangesNothing)
        && is_for_a_change(&work.subject, facts.all(), policy, &back.ids)
}

fn is_older(work: &Work<'_>, snapshot: &Snapshot) -> bool {
    snapshot.state.facts.all().any(|fact| fact.at > work.at)
}

fn granted(grant: &Grant, wanted: &Entitlements, plan: &mut Plan) {
    if grant.foreign {
        plan.warnings
            .push("a line names no Cryptlex id, and was skipped as one that needs no license");
    }
    if wanted.purchase == Purchase::Unpaid && grant.else_renews.is_some() {
        plan.noted = Some(
            "the payment is for a change within a period, and the payment of that period is unknown",
        );
        plan.concern = Some(Concern::PaidWithoutLicense);
    } else if wanted.purchase == Purchase::Unpaid {
        plan.noted = Some("the checkout session is not paid yet");
    }
}

fn changed(
    takes_effect: Effect,
    wanted: &Entitlements,
    changes_nothing: bool,
    plan: &mut Plan,
    snapshot: &Snapshot,
) {
    if wanted.the_end != AtTheEnd::Nothing {
        plan.noted = Some("it has ended, and nothing changes until it is paid for again");
    } else if changes_nothing && takes_effect == Effect::WhenCharged {
        plan.noted = Some("a change, if there is one, takes effect with the charge that bills it");
    } else if changes_nothing && plan.unmapped.is_empty() {
        plan.noted = Some("nothing changed that licenses depend on");
    } else if snapshot.licenses.is_empty() && plan.unmapped.is_empty() {
        plan.noted = Some("it has no license");
    }
}

fn renewed(
    command: &Command,
    renew: &Renew,
    at: Timestamp,
    wanted: &Entitlements,
    plan: &mut Plan,
    snapshot: &Snapshot,
    policy: &Policy,
) -> Result<(), Refused> {
    let is_over = matches!(&renew.through, Through::Until(end) if *end < at);
    if wanted.the_end != AtTheEnd::Nothing {
        let has_ended = snapshot.state.facts.all().any(Fact::is_end);
        plan.noted = Some(match policy.refunded {
            Refunded::Revokes if !has_ended => "the payment does not make up for the refund",
            Refunded::Revokes | Refunded::Suspends | Refunded::ChangesNothing => {
                "the payment is for a time before the end, so no license was changed"
            }
        });
        return Ok(());
    }
    if snapshot.licenses.is_empty() {
        // An invoice told the purchase, and only the session names its product: the ledger may be lost before that comes.
        let state = &snapshot.state;
        let is_gone = state.deleted || !state.gone.is_empty();
        let is_named = wanted.seats.iter().any(|seat| seat.mapping.is_some());
        let is_unnamed = !is_named && !is_gone && state.slots.is_empty();
        return match wanted.purchase {
            _ if is_over => Ok(()),
            Purchase::Unknown => without_license(command, renew, wanted, plan, policy),
            Purchase::Known if is_unnamed && wanted.names_nothing => {
                without_license(command, renew, wanted, plan, policy)
            }
            Purchase::Foreign | Purchase::Unpaid | Purchase::Known | Purchase::SeenByPayment => {
                Ok(())
            }
        };
    }
    match &renew.through {
        Through::NextPeriod { why: Undated::NotExpanded, .. } => plan
            .warnings
            .push("the charge does not say what it paid for: switch on webhook expansion"),
        Through::NextPeriod { why: Undated::NothingDue, .. } => plan
            .warnings
            .push("the charge does not say until when it paid: no other one is due, so it counts as one interval"),
        Through::Described { .. } => {
            if wanted.end.one_more.as_ref().is_some_and(|one_more| one_more.is_usage) {
                plan.concern = Some(Concern::PeriodPresumed);
            }
        }
        Through::Until(_) => {}
    }
    if snapshot.licenses.iter().any(crate::cryptlex::License::is_revoked) {
        plan.warnings.push(
            "a paid license is revoked, and no end of its subscription is known. It stays revoked; reinstate it in Cryptlex if it should work",
        );
    }
    Ok(())
}

/// Its purchase may be on its way; a purchase that comes later runs until what the payment says.
fn without_license(
    command: &Command,
    renew: &Renew,
    wanted: &Entitlements,
    plan: &mut Plan,
    policy: &Policy,
) -> Result<(), Refused> {
    let is_ours = wanted.seats.iter().any(|seat| seat.mapping.is_some());
    let may_be_foreign = (policy.accept_unmapped || command.may_be_foreign) && !is_ours;
    let says_until_when = !matches!(renew.through, Through::NextPeriod { .. });
    if !may_be_foreign || !says_until_when {
        return Err(Refused::NoLicense(command.subject.clone()));
    }
    plan.noted = Some("the subscription is unknown, and is taken for one without licenses");
    Ok(())
}

/// A refund or dispute, or the end of one.
fn reversed(
    work: &Work<'_>,
    back: &MoneyBack,
    (without, wanted): (&Entitlements, &Entitlements),
    plan: &mut Plan,
    snapshot: &Snapshot,
    policy: &Policy,
) {
    let (newer, same) = told_before(work, back, snapshot);
    plan.repeats = same;
    if newer {
        plan.stale = without == wanted;
        return;
    }
    if !names_any_of_it(back, snapshot) {
        plan.noted = Some("the refund or dispute is about something else that was bought with it");
        return;
    }
    if back.cause == SuspensionReason::Refund && policy.refunded == Refunded::ChangesNothing {
        plan.noted = Some("refunds change no license (REFUND_ACTION=none)");
        return;
    }
    let has_effect = without.reasons != wanted.reasons
        || (without.over, without.the_end) != (wanted.over, wanted.the_end);
    let had_licenses = !snapshot.licenses.is_empty()
        || (policy.at_the_end == AtTheEnd::Delete && snapshot.state.deleted);
    let why = match back.funds {
        Funds::Reinstated if wanted.reasons.contains_key(&back.cause) => {
            plan.noted = Some("another refund or dispute still counts");
            return;
        }
        Funds::Reinstated if has_effect => return,
        Funds::Reinstated => {
            plan.noted = Some("no license had been changed for the refund or dispute");
            return;
        }
        Funds::Withdrawn | Funds::Lost if has_effect && had_licenses => return,
        Funds::Withdrawn | Funds::Lost if same => return,
        Funds::Withdrawn | Funds::Lost if has_effect => {
            "no license is known that the payment was for"
        }
        Funds::Withdrawn | Funds::Lost if !is_known(work, wanted) => {
            "the refunded or disputed payment is unknown, so no license was changed"
        }
        Funds::Withdrawn | Funds::Lost
            if !back.back.items.is_empty() || back.back.is_whole == Some(false) =>
        {
            "only a part of the purchase was refunded or disputed, so no license was changed"
        }
        Funds::Withdrawn | Funds::Lost if is_of_a_change(work, back, snapshot, policy) => {
            if is_lost_of_known(work, back, snapshot) {
                plan.repeats = true;
                return;
            }
            plan.change_back = Some(Box::new(back.clone()));
            "the payment was for a change, and another payment is for the same time"
        }
        Funds::Withdrawn | Funds::Lost => {
            "another payment makes up for it, or the payment was for something else"
        }
    };
    plan.noted = Some(why);
    // Who is told of the dispute is told this, too.
    let is_told = work.commands.iter().any(|command| command.concern.is_some());
    plan.concern = (!is_told).then_some(Concern::NothingReversed);
}

/// Whether it ends a dispute that a person was told of.
fn is_lost_of_known(work: &Work<'_>, back: &MoneyBack, snapshot: &Snapshot) -> bool {
    let told = snapshot.state.facts.all().filter(|fact| fact.at <= work.at);
    let mut told = told.filter_map(Fact::money_back);
    let is_it = |it: &MoneyBack| it.cause == back.cause && it.back.id == back.back.id;
    back.funds == Funds::Lost && told.any(|it| is_it(it) && it.funds == Funds::Withdrawn)
}

/// Whether a part of a payment that it names is the subject's.
fn names_any_of_it(back: &MoneyBack, snapshot: &Snapshot) -> bool {
    let paid = snapshot.state.facts.all().filter_map(Fact::paid);
    let paid = paid.filter(|paid| back.ids.iter().any(|id| paid.ids.contains(id)));
    let items: Vec<&str> =
        paid.flat_map(|paid| &paid.payment.items).map(|item| item.id.as_str()).collect();
    let is_own = |id: &str| items.is_empty() || items.contains(&id);
    back.back.items.is_empty() || back.back.items.iter().any(|item| is_own(&item.id))
}

fn is_known(work: &Work<'_>, wanted: &Entitlements) -> bool {
    work.subject.kind == SubjectKind::Subscription || wanted.purchase != Purchase::Unknown
}

/// Whether something newer was told of the same refund or dispute, and whether this very thing was known.
fn told_before(work: &Work<'_>, back: &MoneyBack, snapshot: &Snapshot) -> (bool, bool) {
    let others = || {
        let told = snapshot.state.facts.all();
        let told = told.filter_map(|fact| Some((fact.at, fact.money_back()?)));
        told.filter(|(at, known)| {
            let is_of_it = known.cause == back.cause && known.back.id == back.back.id;
            is_of_it && (*at != work.at || *known != back)
        })
    };
    let newer = others().any(|(at, known)| (at, known.funds) > (work.at, back.funds));
    let same = others().any(|(at, known)| {
        at <= work.at && known.funds == back.funds && known.back.amount == back.back.amount
    });
    (newer, same)
}

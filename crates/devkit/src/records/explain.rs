//! How a subscription, order or license came to what it is.

use webhook_core::decide::{self, Explained, Explanation};
use webhook_core::domain::command::{Subject, SubjectKind};
use webhook_core::domain::ids::{LicenseId, SubjectId, plain};
use webhook_core::domain::policy::Policy;
use webhook_core::infra::config::{Problem, policy_of};
use webhook_core::ledger::{Ledger, SubjectRecord, parts_of_subject_key};
use webhook_core::providers::{FastSpring, Paddle, Stripe};

use super::{Place, RecordsError};
use crate::sign::Provider;

/// Arguments of `devkit explain`.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Set the policy variables of the function (docs/configuration.md) as they are there.

Example:
  GRACE_DAYS=7 devkit explain --path ledger.redb sub_1"
)]
pub struct ExplainArgs {
    /// The provider's id of a subscription or order, or Cryptlex's id of a license
    pub id: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "its text would replace that of the subcommand in --help")]
    pub place: Place,
}

/// The story of everything that has this id, in lines. `variable` reads the variables of the function, whose policy counts. No
/// address, no name and no license key.
pub async fn explain(
    ledger: &Ledger,
    args: &ExplainArgs,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<String>, RecordsError> {
    let not_an_id = |_| RecordsError::NotAnId(args.id.clone());
    let subject = SubjectId::new(&args.id).map_err(not_an_id)?;
    let license = LicenseId::new(&args.id).map_err(not_an_id)?;
    let mut found = Vec::new();
    for provider in Provider::ALL {
        found.extend(ledger.subjects(provider.name(), &subject).await?);
    }
    if found.is_empty() {
        found = ledger.subjects_of(&license).await?;
    }
    let mut lines = Vec::new();
    for (key, record) in found {
        let Some((provider, subject)) = subject_of(&key) else { continue };
        let policy = policy(provider, &variable)?;
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(story(&subject, &record, &policy));
    }
    match lines.is_empty() {
        true => Err(RecordsError::NothingToExplain(args.id.clone())),
        false => Ok(lines),
    }
}

/// Of `subject/stripe/subscription/sub_1`. A customer has no licenses of their own.
fn subject_of(key: &str) -> Option<(Provider, Subject)> {
    let (provider, kind, id) = parts_of_subject_key(key)?;
    let provider = Provider::ALL.into_iter().find(|known| known.name() == provider)?;
    if kind == SubjectKind::Customer {
        return None;
    }
    Some((provider, Subject { provider: provider.name(), kind, id: SubjectId::new(id).ok()? }))
}

fn policy(
    provider: Provider,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Policy, RecordsError> {
    let policy = match provider {
        Provider::Stripe => policy_of::<Stripe>(variable),
        Provider::Fastspring => policy_of::<FastSpring>(variable),
        Provider::Paddle => policy_of::<Paddle>(variable),
    };
    policy.map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
        RecordsError::Policy(texts.join(" "))
    })
}

fn story(subject: &Subject, record: &SubjectRecord, policy: &Policy) -> Vec<String> {
    let Explanation { facts, dropped, result } =
        decide::explain(subject, &record.state.facts, policy);
    let mut lines = vec![
        format!("{} {subject}", subject.provider),
        format!("policy, from the variables set here: {}", decide::policy_in_words(policy)),
        "what happened:".to_owned(),
    ];
    lines.extend(dropped.map(|text| format!("  {text}")));
    if facts.is_empty() {
        lines.push("  the ledger holds no fact of it".to_owned());
    }
    lines.extend(facts.iter().flat_map(fact));
    lines.push("what follows from it:".to_owned());
    lines.extend(result.iter().map(|text| format!("  {text}")));
    lines.push("licenses that the ledger knows:".to_owned());
    lines.extend(licenses(record).iter().map(|text| format!("  {text}")));
    lines
}

fn fact(fact: &Explained) -> Vec<String> {
    let Explained { at, event, says, is_settled, effects } = fact;
    let mut lines = vec![format!("  {at} {event}: {says}")];
    if effects.is_empty() {
        lines.push("    -> changes nothing".to_owned());
    }
    lines.extend(effects.iter().map(|effect| format!("    -> {effect}")));
    if !is_settled {
        let text = "    its effect may be missing at Cryptlex: the event failed, waits or is being handled";
        lines.push(text.to_owned());
    }
    lines
}

fn licenses(record: &SubjectRecord) -> Vec<String> {
    let state = &record.state;
    let mut lines = Vec::new();
    for (slot, license) in &state.slots {
        let is_revoked = state.revoked.contains(license);
        let revoked = if is_revoked { ", revoked by the function" } else { "" };
        lines.push(format!("{license} in slot {}{revoked}", plain(slot.as_str())));
    }
    let former = state.revoked.iter().filter(|id| !state.slots.values().any(|known| known == *id));
    lines.extend(former.map(|id| format!("{id} in no slot, revoked by the function")));
    lines.extend(state.gone.iter().map(|slot| {
        format!("none in slot {}: somebody deleted it in Cryptlex", plain(slot.as_str()))
    }));
    if state.deleted {
        lines.push("the function deleted its licenses at the end".to_owned());
    }
    if lines.is_empty() {
        lines.push("none".to_owned());
    }
    if !state.written.is_empty() {
        let ends: Vec<String> = state.written.iter().map(ToString::to_string).collect();
        lines.push(format!("ends that the function asked for last: {}", ends.join(", ")));
    }
    if !record.all_ours && !state.slots.is_empty() {
        lines.push(
            "there may be other licenses: an event is not done, or somebody else made one"
                .to_owned(),
        );
    }
    lines
}

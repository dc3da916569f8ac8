//! Our own binaries in all situations, for the tests of the functions.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use super::results::{ResultOf, Results};
use super::situation::{Situation, published, situations};
use super::target::variables;
use super::{Patience, Played, Target, compare};
use crate::runtime_api::Server;
use crate::sandbox::{Sandbox, Settings};
use crate::sign::Provider;

/// Ours listens, and has nothing under way when it has answered.
const AT_ONCE: Patience =
    Patience { start: Duration::ZERO, pause: Duration::ZERO, most: Duration::ZERO };

/// Plays all situations of a provider against a binary. Names those that are not exactly right, and those for which
/// `situations/results/payment-webhooks.json` says something else.
pub async fn rehearse(provider: Provider, binary: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let sandbox = Sandbox::start(Settings::default()).await?;
    let variables = variables(&sandbox.url());
    let environment: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let server = Server::start(binary, &environment).await?;
    let targets = targets(provider, server.url())?;
    let all: Vec<Situation> =
        situations().into_iter().filter(|situation| situation.provider == provider).collect();
    let Played { results, stopped } = compare(&sandbox, &all, &targets, "0", AT_ONCE).await?;
    if let Some(why) = stopped {
        return Err(why.into());
    }
    let said = published().into_iter().find(|results| results.server == "payment-webhooks");
    let said = said.ok_or("situations/results/payment-webhooks.json is not there")?;
    Ok(all.iter().filter_map(|situation| fault(situation, &results, &said)).collect())
}

/// The paths of Cryptlex's own integration, which are the same in both; where no product is named, the one for new installations.
fn targets(provider: Provider, url: &str) -> Result<Vec<Target>, String> {
    let named = format!("{provider}={url}{}", provider.path()).parse()?;
    let unnamed = format!("stripe-unnamed={url}/webhooks/stripe").parse()?;
    Ok(vec![named, unnamed])
}

fn fault(situation: &Situation, results: &Results, said: &Results) -> Option<String> {
    let Situation { name, licenses, .. } = situation;
    let result = results.situations.get(name);
    if let Some(found) = result.and_then(|result| result.found.as_ref()) {
        return Some(format!("{name}: {found:?}, not {licenses:?}"));
    }
    let said = said.situations.get(name);
    let acknowledged = |result: Option<&ResultOf>| result.map(|it| (it.outcome, it.unacknowledged));
    (acknowledged(result) != acknowledged(said))
        .then(|| format!("{name}: {result:?}, but the results say {said:?}"))
}

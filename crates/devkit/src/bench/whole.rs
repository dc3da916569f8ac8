//! Memory of a function that works with all of AWS, after every case of the corpus.

use super::load::delivery;
use super::process::peak_memory;
use super::start::PATIENCE;
use super::table::Row;
use super::{BenchArgs, BenchError, at, environment, function_at, on_aws, running};
use crate::corpus::cases;
use crate::moto::Moto;
use crate::sandbox::{Sandbox, Settings};
use crate::sign::Provider;

/// What the smallest sensible function has.
const MEMORY_MIB: f64 = 128.0;

pub(super) async fn measure(args: &BenchArgs) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    for provider in Provider::ALL {
        let sandbox = Sandbox::start(Settings::default()).await.map_err(at("the sandbox"))?;
        let moto = Moto::start().await?;
        moto.create_ledger("ledger").await?;
        let mut variables = environment(provider, &sandbox);
        variables.extend(on_aws(&moto));
        let function = function_at(&args.binary(provider), &variables).await?;
        let cases = cases().into_iter().filter(|case| case.provider == provider);
        let mut delivered = 0_u32;
        for case in cases {
            function.invoke(&delivery(provider, &case.body), PATIENCE).await?;
            delivered += 1;
        }
        let id = running(function.id())?;
        let peak = peak_memory(id).map_err(at("the function"))?;
        let what = format!("memory at most, all {delivered} cases of {provider} with AWS");
        rows.push(Row::of(what, "MiB", vec![peak]).at_most(MEMORY_MIB));
        function.stop().await.map_err(at("the function"))?;
    }
    Ok(rows)
}

//! A ledger file gives back what it does not use.

use std::path::PathBuf;

use webhook_core::ledger::{Compacted, Embedded};

use super::RecordsError;

/// Arguments of `devkit compact`.
#[derive(Debug, Clone, clap::Args)]
pub struct CompactArgs {
    /// Ledger file; its function must be stopped
    #[arg(long, env = "LEDGER_PATH")]
    pub path: PathBuf,
}

/// Makes the file as small as what is in it, and says how small.
pub fn compact(args: &CompactArgs) -> Result<String, RecordsError> {
    let Compacted { before, after } = Embedded::compact(&args.path)?;
    let file = args.path.display();
    Ok(format!("{file} took {before} bytes and takes {after} now"))
}

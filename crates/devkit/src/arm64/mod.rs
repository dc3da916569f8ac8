//! `devkit arm64`: the functions as built for Lambda's arm64 processors, on a machine that has none.
//!
//! qemu-user emulates the processor, and the function asks the emulator of the Runtime API for its events. This machine's own
//! build of the function gets the same events. Every answer and every license must be the same. How fast an arm64
//! processor is cannot be seen here.

mod play;
mod tls;

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::corpus::CorpusError;
use crate::moto::MotoError;
use crate::runtime_api::InvokeError;
use crate::sign::Provider;
use play::{Seen, Stage};

/// Arguments of `devkit arm64`.
#[derive(Debug, Clone, clap::Args)]
pub struct Arm64Args {
    /// Where the functions for arm64 are, each a folder with its `bootstrap`
    #[arg(long, default_value = "target/lambda")]
    pub functions: PathBuf,
    /// Where this machine's own build of the functions is
    #[arg(long, default_value = "target/debug")]
    pub reference: PathBuf,
    /// What runs a program for arm64; neoverse-n1 is AWS's Graviton2
    #[arg(long, default_value = "qemu-aarch64 -cpu neoverse-n1 -L /usr/aarch64-linux-gnu")]
    pub runner: String,
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum Arm64Error {
    /// A body of the corpus.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The function gave no answer.
    #[error("{what}: {reason}")]
    Invoke {
        /// Which event of which function.
        what: String,
        /// Why.
        reason: InvokeError,
    },
    /// AWS.
    #[error(transparent)]
    Moto(#[from] MotoError),
    /// A binary or its process.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// What is emulated needs no emulator, or something else than this one.
    #[error("{0} is not a program for arm64 Linux; `make arm64` builds it")]
    NotArm64(PathBuf),
    /// The event does not do what it is here for, on whichever processor.
    #[error("{what}: expected {expected}, got {got}")]
    Unexpected {
        /// Which event of which function.
        what: String,
        /// A status, or what else is looked for.
        expected: String,
        /// The answer.
        got: String,
    },
}

/// Prints a line per function, and what differs; true if nothing does.
pub async fn run(args: &Arm64Args) -> Result<bool, Arm64Error> {
    let runner: Vec<String> = args.runner.split_whitespace().map(str::to_owned).collect();
    let mut equal = true;
    for provider in Provider::ALL {
        let binary = args.functions.join(provider.binary()).join("bootstrap");
        check_arm64(&binary)?;
        let reference = args.reference.join(provider.binary());
        let expected = Stage { provider, runner: &[], binary: &reference }.play().await?;
        let seen = Stage { provider, runner: &runner, binary: &binary }.play().await?;
        let differences = differences(&expected, &seen);
        for difference in &differences {
            println!("{}: {difference}", provider.binary());
        }
        equal &= differences.is_empty();
        println!("{}", summary(provider, &seen, differences.len()));
    }
    Ok(equal)
}

/// Plays the same twice on this machine, without an emulator: the comparison itself finds no difference, and every event does
/// what it is here for.
pub async fn rehearse(provider: Provider, binary: &Path) -> Result<(), Arm64Error> {
    let stage = Stage { provider, runner: &[], binary };
    let (one, other) = (stage.play().await?, stage.play().await?);
    match differences(&one, &other).first() {
        None => Ok(()),
        Some(difference) => Err(Arm64Error::Unexpected {
            what: provider.binary().to_owned(),
            expected: "the same twice".to_owned(),
            got: difference.clone(),
        }),
    }
}

/// Fails unless it is an ELF file whose machine is `EM_AARCH64`.
fn check_arm64(binary: &Path) -> Result<(), Arm64Error> {
    let unreadable = |error| Arm64Error::Io(binary.to_owned(), error);
    let mut head = Vec::new();
    let file = std::fs::File::open(binary).map_err(unreadable)?;
    file.take(20).read_to_end(&mut head).map_err(unreadable)?;
    match head.starts_with(b"\x7fELF") && head.get(18..20) == Some(&[183, 0]) {
        true => Ok(()),
        false => Err(Arm64Error::NotArm64(binary.to_owned())),
    }
}

/// One text for each answer that is not the same, and one for the licenses.
fn differences(expected: &Seen, seen: &Seen) -> Vec<String> {
    let mut all: Vec<String> = expected
        .answers
        .iter()
        .zip(&seen.answers)
        .filter(|(expected, seen)| expected != seen)
        .map(|(expected, seen)| {
            format!("{}\n  here:  {}\n  arm64: {}", expected.event, expected.text, seen.text)
        })
        .collect();
    if expected.answers.len() != seen.answers.len() {
        all.push(format!("{} answers, not {}", seen.answers.len(), expected.answers.len()));
    }
    if expected.licenses != seen.licenses {
        all.push(format!(
            "licenses\n  here:  {:?}\n  arm64: {:?}",
            expected.licenses, seen.licenses
        ));
    }
    all
}

fn summary(provider: Provider, seen: &Seen, differences: usize) -> String {
    let mut kinds = BTreeMap::<&str, usize>::new();
    for answer in &seen.answers {
        *kinds.entry(&answer.kind).or_default() += 1;
    }
    let kinds: Vec<String> =
        kinds.iter().map(|(kind, count)| format!("{count} x {kind}")).collect();
    let verdict = match differences {
        0 => "all as on this machine".to_owned(),
        some => format!("{some} DIFFERENT from this machine"),
    };
    format!(
        "{}: {} answers ({}) and {} licenses, {verdict}",
        provider.binary(),
        seen.answers.len(),
        kinds.join(", "),
        seen.licenses.len()
    )
}

#[cfg(test)]
mod tests {
    use super::play::Answer;
    use super::*;

    fn seen(answers: &[(&str, &str)], licenses: &[&str]) -> Seen {
        let answer = |(event, text): &(&str, &str)| Answer {
            event: (*event).to_owned(),
            kind: "200".to_owned(),
            text: (*text).to_owned(),
        };
        Seen {
            answers: answers.iter().map(answer).collect(),
            licenses: licenses.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    #[test]
    fn other_answers_missing_answers_and_other_licenses_are_named() {
        let expected = seen(&[("a", "1"), ("b", "2")], &["active"]);
        assert!(differences(&expected, &expected).is_empty());
        assert_eq!(
            differences(&expected, &seen(&[("a", "1"), ("b", "3")], &["active"])),
            ["b\n  here:  2\n  arm64: 3"]
        );
        assert_eq!(
            differences(&expected, &seen(&[("a", "1")], &["revoked"])),
            ["1 answers, not 2", "licenses\n  here:  [\"active\"]\n  arm64: [\"revoked\"]"]
        );
    }

    #[test]
    fn the_summary_counts_kinds_and_shouts_about_differences() {
        let seen = seen(&[("a", "1"), ("b", "2")], &["active"]);
        assert_eq!(
            summary(Provider::Paddle, &seen, 0),
            "paddle-webhook: 2 answers (2 x 200) and 1 licenses, all as on this machine"
        );
        assert!(summary(Provider::Paddle, &seen, 3).ends_with("3 DIFFERENT from this machine"));
    }

    #[test]
    fn only_an_elf_file_for_arm64_is_emulated() {
        let file = std::env::temp_dir().join(format!("arm64-{}", std::process::id()));
        let mut head = [0; 64];
        head[..4].copy_from_slice(b"\x7fELF");
        for (machine, is_arm64) in [(183, true), (62, false)] {
            head[18] = machine;
            std::fs::write(&file, head).unwrap();
            assert_eq!(check_arm64(&file).is_ok(), is_arm64, "{machine}");
        }
        std::fs::write(&file, "#!/bin/sh").unwrap();
        let error = check_arm64(&file).unwrap_err().to_string();
        std::fs::remove_file(&file).unwrap();
        assert!(error.ends_with("is not a program for arm64 Linux; `make arm64` builds it"));
        assert!(matches!(check_arm64(&file), Err(Arm64Error::Io(..))));
    }
}

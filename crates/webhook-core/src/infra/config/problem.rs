//! What is said of variables: what keeps a function from working, and what works and should be looked at all the same.

use crate::domain::contracts;

/// Something about the configuration that a person must fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A required variable is not there, or blank.
    #[error("{}", contracts::not_found(.0))]
    Missing(&'static str),
    /// A variable has a value that means nothing.
    #[error("{variable} must be {wanted}.")]
    Invalid {
        /// Its name.
        variable: &'static str,
        /// The values that are allowed.
        wanted: &'static str,
    },
    /// A file that should hold a value.
    #[error(
        "{0} names a file that cannot be read or is empty. Mount that file, or set the variable itself."
    )]
    NoFile(String),
}

impl Problem {
    /// The variable that it is about.
    pub fn variable(&self) -> &str {
        match self {
            Self::Missing(variable) | Self::Invalid { variable, .. } => variable,
            Self::NoFile(variable) => variable,
        }
    }

    /// Whether the variable is not set at all.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }
}

/// Something that works and should not be left so, or not without a look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Warning {
    /// A value was copied with what was around it.
    #[error("{0} has blanks around its value. They were cut off; remove them")]
    Blanks(String),
    /// Only one path needs the product, so the function works.
    #[error(
        "CRYPTLEX_PRODUCT_ID is not set, so /v1 cannot grant licenses. Set it if you deliver to /v1"
    )]
    NoProduct,
    /// Two places to remember in.
    #[error("LEDGER_PATH is not used, because LEDGER_TABLE is set. Remove one of them")]
    PathNotUsed,
    /// A server that forgets.
    #[error(
        "LEDGER_PATH is not set, so this server forgets what it handled when it stops. \
         Set LEDGER_PATH to a file, or LEDGER_TABLE to a DynamoDB table"
    )]
    NoLedger,
    /// Instances of a Lambda function that know nothing of each other.
    #[error(
        "LEDGER_TABLE is not set, so each instance of the function remembers for itself and forgets when it ends. \
         Set LEDGER_TABLE to a DynamoDB table"
    )]
    NoTable,
    /// A queue that nobody reads.
    #[error(
        "OVERFLOW_QUEUE_URL is not used, because only a Lambda function reads a queue. Remove it here"
    )]
    QueueNotRead,
    /// Proxies that are anybody.
    #[error(
        "TRUSTED_PROXIES names {0}: anybody there may claim any address, and no limit holds. Name your own proxies only"
    )]
    WideProxies(String),
    /// A signing secret that looks like something else. An older one may still be right, so it is no problem.
    #[error("{0} looks like {1}")]
    MistakenSecret(&'static str, &'static str),
}

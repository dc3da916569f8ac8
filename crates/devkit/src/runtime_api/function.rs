//! A bootstrap binary in Lambda mode.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::process::{self, Exit, Process};
use super::{Invocation, InvokeError, RuntimeApi};

/// What Lambda sets. The credentials are there, although they open nothing, so that an AWS client does not look for
/// others beyond loopback.
const LAMBDA_ENVIRONMENT: [(&str, &str); 17] = [
    ("_HANDLER", "bootstrap"),
    ("AWS_ACCESS_KEY_ID", "emulated"),
    ("AWS_DEFAULT_REGION", "eu-central-1"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
    ("AWS_LAMBDA_FUNCTION_NAME", "emulated"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/emulated"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/07/01/[$LATEST]0123456789abcdef"),
    ("AWS_REGION", "eu-central-1"),
    ("AWS_SECRET_ACCESS_KEY", "emulated"),
    ("AWS_SESSION_TOKEN", "emulated"),
    ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
    ("LAMBDA_TASK_ROOT", "/var/task"),
    ("LANG", "en_US.UTF-8"),
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("TZ", ":UTC"),
];

/// A running instance of a function with a Runtime API of its own. Killed when dropped.
pub struct Function {
    process: Process,
    api: RuntimeApi,
}

impl Function {
    /// Runs the binary with the variables that Lambda sets and `environment`, which wins, and nothing else. Does not
    /// wait for the binary to be ready.
    pub async fn start(binary: &Path, environment: &[(&str, &str)]) -> io::Result<Function> {
        Function::run(process::command(binary), environment).await
    }

    /// As [`Function::start`], by a program that runs the binary: an emulator of a processor with its arguments.
    pub async fn start_under(
        runner: &[String],
        binary: &Path,
        environment: &[(&str, &str)],
    ) -> io::Result<Function> {
        Function::run(process::command_under(runner, binary), environment).await
    }

    async fn run(mut command: Command, environment: &[(&str, &str)]) -> io::Result<Function> {
        let api = RuntimeApi::start().await?;
        command
            .envs(LAMBDA_ENVIRONMENT)
            .env("AWS_LAMBDA_RUNTIME_API", api.address())
            .envs(environment.iter().copied());
        Ok(Function { process: Process::spawn(command)?, api })
    }

    /// As [`RuntimeApi::invoke`], and ends early when the process does.
    pub async fn invoke(
        &self,
        event: &Value,
        timeout: Duration,
    ) -> Result<Invocation, InvokeError> {
        tokio::select! {
            biased;
            answer = self.api.invoke(event, timeout) => answer,
            () = self.process.ended() => Err(InvokeError::Exited { logs: self.logs() }),
        }
    }

    /// Waits until the function has asked for its first event; an error when it ends instead.
    pub async fn ready(&self) -> Result<(), InvokeError> {
        tokio::select! {
            biased;
            () = self.api.ready() => Ok(()),
            () = self.process.ended() => Err(InvokeError::Exited { logs: self.logs() }),
            () = tokio::time::sleep(super::ASK_LIMIT) => Err(InvokeError::NotAsked),
        }
    }

    /// The number of its process, as long as that runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// What it wrote to stdout and stderr so far, in whole lines.
    pub fn logs(&self) -> String {
        self.process.logs()
    }

    /// What it reported to `init/error`, if it did.
    pub fn init_error(&self) -> Option<Value> {
        self.api.init_error()
    }

    /// Sends SIGTERM and waits up to a minute; only the logs that this returns are sure to be complete.
    pub async fn stop(self) -> io::Result<Exit> {
        self.process.stop().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn shell(script: &str, environment: &[(&str, &str)]) -> Function {
        let mut command = process::command(Path::new("/bin/sh"));
        command.args(["-c", script]);
        Function::run(command, environment).await.unwrap()
    }

    #[tokio::test]
    async fn a_function_that_ends_fails_the_invocation_with_its_logs() {
        let function = shell("echo to stdout; echo to stderr >&2; exit 1", &[]).await;
        let error = function.invoke(&json!({}), Duration::from_secs(20)).await.unwrap_err();
        assert!(
            matches!(&error, InvokeError::Exited { logs } if logs == "to stdout\nto stderr\n"),
            "{error}"
        );
        assert!(matches!(function.ready().await, Err(InvokeError::Exited { .. })));
    }

    #[tokio::test]
    async fn a_function_sees_only_the_variables_that_lambda_gives_it() {
        let function = shell("env", &[("AWS_REGION", "moon-1"), ("EXTRA", "1")]).await;
        function.process.ended().await;
        let logs = function.logs();
        let address = format!("AWS_LAMBDA_RUNTIME_API={}", function.api.address());
        for line in [&address, "AWS_LAMBDA_FUNCTION_NAME=emulated", "AWS_REGION=moon-1", "EXTRA=1"]
        {
            assert!(logs.lines().any(|logged| logged == line), "{line} not in\n{logs}");
        }
        assert!(!logs.contains("CARGO_MANIFEST_DIR"), "{logs}");
    }

    #[tokio::test]
    async fn a_runner_gets_its_arguments_and_then_the_binary() {
        let runner = ["/bin/echo", "-L", "/libraries"].map(str::to_owned);
        for (runner, written) in [(&runner[..], "-L /libraries /bin/echo\n"), (&[], "\n")] {
            let binary = Path::new("/bin/echo");
            let function = Function::start_under(runner, binary, &[]).await.unwrap();
            function.process.ended().await;
            assert_eq!(function.logs(), written);
        }
    }
}

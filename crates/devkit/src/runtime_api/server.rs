//! A function's binary in server mode, outside Lambda.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::process::{self, Exit, Process};

const START_LIMIT: Duration = Duration::from_secs(60);
const ANNOUNCEMENT: &str = "listening on http://127.0.0.1:";

/// A binary that serves HTTP on a port of its own choice. Killed when dropped.
pub struct Server {
    process: Process,
    url: String,
}

impl Server {
    /// Runs the binary with `PORT=0` and returns once it has written `listening on http://127.0.0.1:<port>`. The
    /// error of one that does not within a minute shows its output.
    pub async fn start(binary: &Path, environment: &[(&str, &str)]) -> io::Result<Server> {
        Server::start_with(binary, &[], environment).await
    }

    /// As [`Server::start`], for a binary that becomes a server by its arguments.
    pub async fn start_with(
        binary: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> io::Result<Server> {
        let mut command = process::command(binary);
        command.args(arguments).env("PORT", "0").envs(environment.iter().copied());
        Server::announced(command).await
    }

    async fn announced(command: Command) -> io::Result<Server> {
        let process = Process::spawn(command)?;
        let port = tokio::time::timeout(START_LIMIT, process.find(announced_port)).await;
        let (kind, what) = match port {
            Ok(Some(port)) => {
                return Ok(Server { process, url: format!("http://127.0.0.1:{port}") });
            }
            Ok(None) => (io::ErrorKind::UnexpectedEof, "ended before it listened"),
            Err(_) => (io::ErrorKind::TimedOut, "did not say in time where it listens"),
        };
        Err(io::Error::new(kind, format!("the server {what}; it wrote:\n{}", process.logs())))
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The number of its process, as long as that runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// What it wrote to stdout and stderr so far, in whole lines.
    pub fn logs(&self) -> String {
        self.process.logs()
    }

    /// Ends it by SIGKILL, wherever it is, and gives what it wrote.
    pub async fn kill(self) -> io::Result<String> {
        self.process.kill().await
    }

    /// Sends SIGTERM and waits up to a minute; only the logs that this returns are sure to be complete.
    pub async fn stop(self) -> io::Result<Exit> {
        self.process.stop().await
    }
}

fn announced_port(logs: &str) -> Option<u16> {
    let (_, rest) = logs.split_once(ANNOUNCEMENT)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    fn shell(script: &str) -> Command {
        let mut command = process::command(Path::new("/bin/sh"));
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn the_address_is_read_from_the_log_and_sigterm_ends_the_server() {
        let script = r#"
            echo '{"level":"INFO","message":"listening on http://127.0.0.1:54321","other":9}' >&2
            exec tail -f /dev/null"#;
        let server = Server::announced(shell(script)).await.unwrap();
        assert_eq!(server.url(), "http://127.0.0.1:54321");
        assert!(server.logs().contains("listening on"));

        let exit = server.stop().await.unwrap();
        assert_eq!(exit.status.signal(), Some(15));
    }

    #[tokio::test]
    async fn output_written_during_shutdown_is_in_the_logs() {
        let script = r#"
            tail -f /dev/null >/dev/null 2>&1 &
            trap 'echo bye; kill $!; exit 3' TERM
            echo listening on http://127.0.0.1:1
            wait"#;
        let server = Server::announced(shell(script)).await.unwrap();
        let exit = server.stop().await.unwrap();
        assert_eq!(exit.status.code(), Some(3));
        assert_eq!(exit.logs, "listening on http://127.0.0.1:1\nbye\n");
    }

    #[tokio::test]
    async fn a_server_that_ends_at_once_shows_what_it_wrote() {
        let error = Server::announced(shell("echo no port; exit 1")).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert!(error.to_string().ends_with("it wrote:\nno port\n"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_binary_is_named() {
        let error = Server::start(Path::new("/nowhere/binary"), &[]).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("/nowhere/binary: "), "{error}");
    }
}

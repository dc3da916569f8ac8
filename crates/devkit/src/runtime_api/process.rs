//! A child process whose output is watched from its first byte.

use std::io::{self, BufRead as _, BufReader, PipeReader};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::watch;

const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How a stopped process ended.
#[derive(Debug)]
pub struct Exit {
    /// Success when the process answers SIGTERM by finishing its work.
    pub status: ExitStatus,
    /// All that it wrote, to the last line.
    pub logs: String,
}

pub(super) struct Process {
    child: Child,
    logs: watch::Receiver<String>,
}

/// The binary with nothing of our environment, except what a coverage run needs to count the child too.
pub(super) fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    command.env_clear();
    if let Some(profile) = std::env::var_os("LLVM_PROFILE_FILE") {
        command.env("LLVM_PROFILE_FILE", profile);
    }
    command
}

/// As [`command`], by a program that runs the binary: the first word is the program, the others come before the binary.
/// Without any word the machine runs it.
pub(super) fn command_under(runner: &[String], binary: &Path) -> Command {
    let Some((program, arguments)) = runner.split_first() else { return command(binary) };
    let mut command = command(Path::new(program));
    command.args(arguments).arg(binary);
    command
}

impl Process {
    /// Killed when dropped.
    pub(super) fn spawn(mut command: Command) -> io::Result<Process> {
        // One pipe for both streams keeps their lines in the order in which they were written.
        let (reader, writer) = io::pipe()?;
        command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).kill_on_drop(true);
        let program = command.as_std().get_program().to_owned();
        let child = command
            .spawn()
            .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", program.display())))?;
        // The command still holds the writing ends; as long as it does, the reader sees no end.
        drop(command);
        let (sender, logs) = watch::channel(String::new());
        std::thread::spawn(move || collect(reader, &sender));
        Ok(Process { child, logs })
    }

    /// Its number, as long as it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it wrote so far, in whole lines.
    pub(super) fn logs(&self) -> String {
        self.logs.borrow().clone()
    }

    /// What `look` finds in the output, as soon as it is there; `None` when the process ended without it.
    pub(super) async fn find<T>(&self, look: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut logs = self.logs.clone();
        loop {
            if let Some(found) = look(&logs.borrow_and_update()) {
                return Some(found);
            }
            if logs.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Resolves when nothing can be written any more.
    pub(super) async fn ended(&self) {
        self.find(|_| None::<()>).await;
    }

    /// Without asking. Nothing of the process is left when this returns.
    pub(super) async fn kill(mut self) -> io::Result<String> {
        self.child.kill().await?;
        self.ended().await;
        Ok(self.logs())
    }

    /// Asks with SIGTERM, as Lambda and container hosts do, and waits up to a minute.
    pub(super) async fn stop(mut self) -> io::Result<Exit> {
        if let Some(pid) = self.child.id() {
            // The shell's own `kill`: the program of that name is not installed everywhere. It fails when the
            // process is gone already, which is what it was asked for.
            Command::new("sh")
                .args(["-c", &format!("kill -TERM {pid}")])
                .stderr(Stdio::null())
                .status()
                .await?;
        }
        let end = async {
            let status = self.child.wait().await?;
            self.ended().await;
            Ok(status)
        };
        match tokio::time::timeout(STOP_LIMIT, end).await {
            Ok(status) => status.map(|status| Exit { status, logs: self.logs() }),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "still running {} s after SIGTERM; it wrote:\n{}",
                    STOP_LIMIT.as_secs(),
                    self.logs()
                ),
            )),
        }
    }
}

fn collect(reader: PipeReader, logs: &watch::Sender<String>) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        logs.send_modify(|logs| logs.push_str(&String::from_utf8_lossy(&line)));
        line.clear();
    }
}

//! What Linux counts of a process: <https://docs.kernel.org/filesystems/proc.html>.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{BenchError, at, milliseconds};

/// What a process takes of a processor while `work` is done, in milliseconds.
pub(super) async fn spent(
    id: u32,
    work: impl Future<Output = Result<(), BenchError>>,
) -> Result<f64, BenchError> {
    let before = cpu(id).map_err(at("the process"))?;
    work.await?;
    let after = cpu(id).map_err(at("the process"))?;
    Ok(milliseconds(after - before))
}

/// Time on a processor, user and system, of all its threads so far.
fn cpu(id: u32) -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in std::fs::read_dir(format!("/proc/{id}/task"))? {
        let spent = match std::fs::read_to_string(thread?.path().join("schedstat")) {
            // It ended after it was listed.
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => continue,
            spent => spent?,
        };
        let nanoseconds = spent.split_whitespace().next().and_then(|text| text.parse().ok());
        total += Duration::from_nanos(nanoseconds.ok_or_else(|| unknown("schedstat"))?);
    }
    Ok(total)
}

/// The most memory that was in use at once, in MiB.
pub(super) fn peak_memory(id: u32) -> io::Result<f64> {
    memory(id, "VmHWM:")
}

/// The memory that is in use now, in MiB.
pub(super) fn memory_now(id: u32) -> io::Result<f64> {
    memory(id, "VmRSS:")
}

fn memory(id: u32, field: &str) -> io::Result<f64> {
    let status = std::fs::read_to_string(PathBuf::from(format!("/proc/{id}/status")))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u32>().ok());
    Ok(f64::from(kilobytes.ok_or_else(|| unknown(field))?) / 1024.0)
}

fn unknown(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc does not say {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_costs_something() {
        let own = std::process::id();
        assert!(cpu(own).unwrap() > Duration::ZERO);
        assert!(memory_now(own).unwrap() > 1.0);
        assert!(peak_memory(own).unwrap() >= memory_now(own).unwrap() * 0.5);
    }
}

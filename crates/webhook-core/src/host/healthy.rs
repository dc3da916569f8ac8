//! `--healthy`: the binary asks the server beside it how it is. A container image without a shell has nothing else to ask with.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::Fatal;

const PATIENCE: Duration = Duration::from_secs(4);

/// An error unless `/health` of the server on this machine is 200.
pub(super) fn ask(read: impl Fn(&str) -> Option<String>) -> Result<(), Fatal> {
    let port = read("PORT").and_then(|port| port.trim().parse().ok()).unwrap_or(3000);
    let host = read("HOST").and_then(|host| host.trim().parse().ok());
    let host = host.filter(|host: &IpAddr| !host.is_unspecified());
    let address = SocketAddr::from((host.unwrap_or(Ipv4Addr::LOCALHOST.into()), port));
    let mut server = TcpStream::connect_timeout(&address, PATIENCE)?;
    server.set_read_timeout(Some(PATIENCE))?;
    server.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    server.read_to_string(&mut answer)?;
    let status = answer.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(format!("not healthy: {status}").into()),
    }
}

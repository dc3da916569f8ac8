//! `--healthy`: the binary asks the server in the same container how it is. A container image without a shell has nothing else to ask with.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::Fatal;

const PATIENCE: Duration = Duration::from_secs(4);

/// An error unless `/health` of the server on this machine is 200, or asked too often.
pub(super) fn ask(read: impl Fn(&str) -> Option<String>) -> Result<(), Fatal> {
    let port = read("PORT").and_then(|port| port.trim().parse().ok()).unwrap_or(3000);
    let address = SocketAddr::new(asked(&read("HOST").unwrap_or_default()), port);
    let mut server = TcpStream::connect_timeout(&address, PATIENCE)?;
    server.set_read_timeout(Some(PATIENCE))?;
    server.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    server.read_to_string(&mut answer)?;
    let status = answer.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        // It answers; others ask too often from here, which is no reason to start it again.
        Some("200" | "429") => Ok(()),
        _ => Err(format!("not healthy: {status}").into()),
    }
}

/// The address of a server that listens there.
fn asked(host: &str) -> IpAddr {
    let host = host.trim().trim_start_matches('[').trim_end_matches(']');
    let address = host.parse().ok().filter(|host: &IpAddr| !host.is_unspecified());
    address.unwrap_or(Ipv4Addr::LOCALHOST.into())
}

#[cfg(test)]
mod tests {
    use super::asked;

    #[test]
    fn the_server_is_asked_where_it_listens() {
        for (host, address) in [
            ("", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("localhost", "127.0.0.1"),
            (" 192.0.2.1 ", "192.0.2.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(asked(host).to_string(), address, "{host}");
        }
    }
}

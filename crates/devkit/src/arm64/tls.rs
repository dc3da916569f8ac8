//! A way into the sandbox that speaks TLS: what ring computes is written for each kind of processor.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Of 127.0.0.1, signed by itself, for a hundred years; the value for `CRYPTLEX_CA_CERTIFICATES`.
pub(super) const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBazCCARGgAwIBAgIBATAKBggqhkjOPQQDAjAdMRswGQYDVQQDDBJOb2JvZHkg\n\
b24gbG9vcGJhY2swIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMB0x\n\
GzAZBgNVBAMMEk5vYm9keSBvbiBsb29wYmFjazBZMBMGByqGSM49AgEGCCqGSM49\n\
AwEHA0IABA+U+P8tSTB1Zn+8WsHO45jlV/PZ30jbnmcJLSrul9guUb9gT90NhsBS\n\
yT0o/rQ8I8nDjmjkDpkgPXesqWj6WEejQDA+MA8GA1UdEQQIMAaHBH8AAAEwDAYD\n\
VR0TAQH/BAIwADAdBgNVHQ4EFgQUEemdP093j8MfW2McCDyqt0bj/ZcwCgYIKoZI\n\
zj0EAwIDSAAwRQIhANz23LPYC0znVVblzfvp2PIgUspR5aWlwwjDOrEVmYwgAiAX\n\
vBq5RvX0+gj71KKEkz+nFnmwUGXJcYEUJ5XoxXbStw==\n\
-----END CERTIFICATE-----\n";
/// Everybody knows this key (PKCS #8, P-256): it protects nothing.
const KEY: &str = "\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjlK8WcGaRba+Zw2AvTOk5D5mvUMkxQgfoZDm3DK08ZChRANC\
AAQPlPj/LUkwdWZ/vFrBzuOY5Vfz2d9I255nCS0q7pfYLlG/YE/dDYbAUsk9KP60PCPJw45o5A6ZID13rKlo+lhH";

/// Ends TLS on a free port of 127.0.0.1, and passes everything on. Stops when dropped.
pub(super) struct TlsDoor {
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl TlsDoor {
    /// In front of the server at an address such as `127.0.0.1:4000`.
    pub(super) async fn open(to: &str) -> io::Result<TlsDoor> {
        let acceptor = TlsAcceptor::from(Arc::new(config()));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut server = JoinSet::new();
        server.spawn(serve(listener, acceptor, to.to_owned()));
        Ok(TlsDoor { address, _server: server })
    }

    /// `https://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

fn config() -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("it is PEM");
    let key = STANDARD.decode(KEY).expect("it is base64");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key));
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the protocols of today")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key is that of the certificate")
}

/// Connections live in the task that accepts them, so that all end when it is aborted.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor, to: String) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (acceptor, to) = (acceptor.clone(), to.clone());
                connections.spawn(async move {
                    // Whoever breaks off sees it at their own end.
                    pass_on(stream, &acceptor, &to).await.ok();
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass_on(stream: TcpStream, acceptor: &TlsAcceptor, to: &str) -> io::Result<()> {
    let mut client = acceptor.accept(stream).await?;
    let mut server = TcpStream::connect(to).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

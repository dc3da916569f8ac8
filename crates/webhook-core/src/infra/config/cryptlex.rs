//! Where Cryptlex is, and with what it is called.

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::SecretString;

use super::problem::{Problem, Warning};
use super::reader::{Reader, web_address};
use crate::domain::ids::ProductId;
use crate::domain::profile::Profile;

/// How to reach Cryptlex.
#[derive(Debug, Clone)]
pub struct Cryptlex {
    /// `CRYPTLEX_WEB_API_BASE_URL` without a trailing `/` or `/v3`.
    pub base_url: String,
    /// `CRYPTLEX_ACCESS_TOKEN`.
    pub access_token: SecretString,
    /// `CRYPTLEX_CA_CERTIFICATES`: who vouches for a Cryptlex of the vendor's own, instead of those whom browsers trust.
    pub authorities: Option<Vec<CertificateDer<'static>>>,
    /// `CRYPTLEX_REQUESTS_PER_5S`: 50 unless set, `None` for 0.
    pub requests_per_5s: Option<u32>,
    /// For one call: half of `DEADLINE_MS`, also where the host gives more time.
    pub patience: Duration,
}

/// What is said also of certificates that only TLS finds to be none.
pub const NO_AUTHORITIES: Problem = Problem::Invalid {
    variable: "CRYPTLEX_CA_CERTIFICATES",
    wanted: "one or more certificates in PEM, as in `-----BEGIN CERTIFICATE-----`",
};

impl<R: Fn(&str) -> Option<String>> Reader<R> {
    /// What the configuration grants; nobody misses it where products name their own.
    pub(super) fn product<P: Profile>(&mut self) -> Option<ProductId> {
        let id = self.optional("CRYPTLEX_PRODUCT_ID");
        let product = id.as_ref().and_then(|id| ProductId::new(id).ok());
        if P::CONFIGURED_PRODUCT && product.is_none() {
            if id.is_some() {
                let (variable, wanted) = ("CRYPTLEX_PRODUCT_ID", "the id of a Cryptlex product");
                self.problems.push(Problem::Invalid { variable, wanted });
            } else if !self.is_in_lambda() {
                // In Lambda the API decides whether there is a `/v1`; a delivery to it names the variable.
                self.warn(Warning::NoProduct);
            }
        }
        product
    }

    /// `None` without token or address; the rest has defaults.
    pub(super) fn cryptlex(
        &mut self,
        access_token: Option<String>,
        base_url: Option<String>,
        deadline: Duration,
    ) -> Option<Cryptlex> {
        let requests =
            self.number("CRYPTLEX_REQUESTS_PER_5S", 50, 0..=100_000, "0 to 100000 requests");
        let authorities = self.authorities();
        Some(Cryptlex {
            base_url: base_url?,
            access_token: SecretString::from(access_token?),
            authorities,
            requests_per_5s: u32::try_from(requests).ok().filter(|limit| *limit > 0),
            patience: deadline / 2,
        })
    }

    pub(super) fn access_token(&mut self) -> Option<String> {
        let token = self.required("CRYPTLEX_ACCESS_TOKEN")?;
        let fits = token.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            let (variable, wanted) = ("CRYPTLEX_ACCESS_TOKEN", "one line of visible characters");
            self.problems.push(Problem::Invalid { variable, wanted });
        }
        fits.then_some(token)
    }

    /// Paths carry the version themselves, so a base that ends in it would have it twice.
    pub(super) fn base_url(&mut self) -> Option<String> {
        let url = self.required("CRYPTLEX_WEB_API_BASE_URL")?;
        let url = url.trim_end_matches('/');
        let url = url.strip_suffix("/v3").unwrap_or(url).trim_end_matches('/');
        // Errors name the URL, so nothing secret may be in it.
        if web_address(url).is_none() || url.contains(['@', '?', '#']) {
            self.problems.push(Problem::Invalid {
                variable: "CRYPTLEX_WEB_API_BASE_URL",
                wanted: "a URL such as https://api.cryptlex.com",
            });
            return None;
        }
        Some(url.to_owned())
    }

    fn authorities(&mut self) -> Option<Vec<CertificateDer<'static>>> {
        let pem = self.optional(NO_AUTHORITIES.variable())?;
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
        let certificates: Option<Vec<_>> = certificates.collect::<Result<_, _>>().ok();
        let certificates = certificates.filter(|certificates| !certificates.is_empty());
        if certificates.is_none() {
            self.problems.push(NO_AUTHORITIES);
        }
        certificates
    }
}

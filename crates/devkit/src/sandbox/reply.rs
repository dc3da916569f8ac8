//! What a call is answered with, before it becomes HTTP.

use serde::Serialize;
use serde_json::json;

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(super) fn json(status: u16, value: &impl Serialize) -> Reply {
        Reply {
            status,
            content_type: "application/json; charset=utf-8",
            body: serde_json::to_vec(value).expect("keys are text and no value refuses"),
            headers: Vec::new(),
        }
    }

    pub(super) fn no_content() -> Reply {
        Reply { status: 204, content_type: "", body: Vec::new(), headers: Vec::new() }
    }

    /// A page as a proxy in front of the API would send it.
    pub(super) fn html(status: u16) -> Reply {
        Reply {
            status,
            content_type: "text/html",
            body: format!("<html><body><h1>{status}</h1></body></html>").into_bytes(),
            headers: Vec::new(),
        }
    }

    /// The caller has what it asks for.
    pub(super) fn not_modified() -> Reply {
        Reply { status: 304, content_type: "", body: Vec::new(), headers: Vec::new() }
    }

    /// A page for a browser.
    pub(super) fn page(html: String) -> Reply {
        Reply {
            status: 200,
            content_type: "text/html; charset=utf-8",
            body: html.into_bytes(),
            headers: Vec::new(),
        }
    }

    pub(super) fn with(mut self, header: &'static str, value: String) -> Reply {
        self.headers.push((header, value));
        self
    }

    /// The same JSON on several lines.
    pub(super) fn for_people(mut self) -> Reply {
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&self.body) {
            self.body = format!("{value:#}\n").into_bytes();
        }
        self
    }

    /// The same answer with a body that ends in the middle.
    pub(super) fn cut_short(mut self) -> Reply {
        if self.status == 204 {
            // A 204 has no body that could be broken.
            self = Reply::json(200, &json!({ "id": null }));
        }
        self.body.truncate(self.body.len() / 2);
        self
    }
}

/// A call that was not carried out, in Cryptlex's error format.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn invalid(message: impl Into<String>) -> Refusal {
        Refusal { status: 400, code: "INVALID_REQUEST", message: message.into() }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Refusal {
        Refusal { status: 404, code: "NOT_FOUND", message: message.into() }
    }

    pub(super) fn conflict(status: u16, message: impl Into<String>) -> Refusal {
        Refusal { status, code: "CONFLICT", message: message.into() }
    }

    pub(super) fn unauthorized() -> Refusal {
        let message = "the access token is missing or not known".to_owned();
        Refusal { status: 401, code: "UNAUTHORIZED", message }
    }

    pub(super) fn too_many() -> Refusal {
        let message = "too many requests".to_owned();
        Refusal { status: 429, code: "TOO_MANY_REQUESTS", message }
    }

    /// A request that another web page may have caused.
    pub(super) fn foreign() -> Refusal {
        let message = "call it by an IP address or as localhost, and not from another web page";
        Refusal { status: 421, code: "FOREIGN_ORIGIN", message: message.to_owned() }
    }

    /// A body of more bytes than these.
    pub(super) fn too_large(most: usize) -> Refusal {
        let message = format!("the body has more than {most} bytes");
        Refusal { status: 413, code: "TOO_LARGE", message }
    }

    /// An error that a fault asked for.
    pub(super) fn injected(status: u16) -> Refusal {
        Refusal { status, code: "INJECTED", message: format!("injected fault: {status}") }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Reply {
        let Refusal { status, code, message } = refusal;
        Reply::json(status, &json!({ "message": message, "code": code }))
    }
}

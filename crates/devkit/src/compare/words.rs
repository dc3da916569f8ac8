//! What a server says: whether it means that it does not handle an event, and how it is shown.

use std::fmt::Write as _;

/// So many characters of a text are shown.
const MOST_SHOWN: usize = 200;

/// On one line, not too long, and without characters that steer a terminal or turn the direction of text.
pub(super) fn printable(text: &str) -> String {
    let text = text.trim();
    let mut shown = String::new();
    for c in text.chars().take(MOST_SHOWN) {
        let steers = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if steers {
            write!(shown, "{}", c.escape_default()).unwrap_or_default();
        } else {
            shown.push(c);
        }
    }
    if text.chars().nth(MOST_SHOWN).is_some() {
        shown.push_str("..");
    }
    shown
}

/// In a cell of a table in Markdown.
pub(super) fn in_a_cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;")
}

/// Whether an answer says that events of this kind are not handled. `body` is what was delivered.
pub(super) fn says_not_handled(said: &str, body: &str) -> bool {
    let said = said.to_lowercase();
    let in_a_word = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    let words = said.split(|c| !in_a_word(c)).map(|word| word.trim_matches('.'));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let is_event = |word: &&str| matches!(*word, "event" | "events" | "webhook" | "webhooks");
    let is_its_type = |word: &str| word.contains('.') && body.contains(&format!("\"{word}\""));
    (0..words.len()).any(|at| {
        let (before, after) = (&words[..at], &words[at + 1..]);
        match words[at] {
            // `Unhandled Stripe event`, but not `Unhandled promise rejection` or `Unsupported Media Type`.
            "unhandled" | "unsupported" => {
                after.iter().take(2).any(is_event)
                    || after.first().is_some_and(|next| *next == "type" || is_its_type(next))
            }
            // `Webhook with event type invoice.paid is not handled`.
            "handled" | "supported" if before.last() == Some(&"not") => {
                let near = &before[before.len().saturating_sub(8)..];
                near.iter().any(|word| is_event(word) || *word == "type" || is_its_type(word))
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_about_the_event_means_not_handled() {
        let body = r#"{"type": "customer.updated"}"#;
        for (said, means) in [
            ("Webhook with event type customer.updated is not handled: ignored.", true),
            ("Webhook with event type customer.updated is not supported by the server.", true),
            (r#"{"message":"Event customer.updated not handled by the server"}"#, true),
            ("customer.updated is not supported", true),
            ("Unhandled event type: customer.updated", true),
            ("unhandled event", true),
            (r#"{"message":"Unhandled event of type \"customer.updated\"."}"#, true),
            ("Unsupported Stripe event", true),
            (r#"{"error": "Unhandled customer.updated"}"#, true),
            ("Unhandled promise rejection: TypeError", false),
            ("Unhandled exception in event handler", false),
            ("Unsupported Media Type", false),
            ("TLS 1.0 is not supported", false),
            ("invoice.paid is not supported", false),
            ("", false),
        ] {
            assert_eq!(says_not_handled(said, body), means, "{said}");
        }
    }

    #[test]
    fn text_of_a_server_cannot_steer_a_terminal() {
        assert_eq!(printable("\u{1b}[2Jgone\n\u{202e}x "), "\\u{1b}[2Jgone\\n\\u{202e}x");
        let long = printable(&"é".repeat(300));
        assert_eq!(long.chars().count(), MOST_SHOWN + 2);
        assert_eq!(in_a_cell("a|b<c"), "a\\|b&lt;c");
    }
}

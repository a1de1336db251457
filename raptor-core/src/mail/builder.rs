//! The layout of a mail: one description, rendered as plain text and as HTML.

use super::Message;
use std::fmt::Write;

/// Where lines of plain text are wrapped, in characters (RFC 5322, section 2.1.1).
const WIDTH: usize = 76;

const STYLE: &str = "margin:0;padding:24px;background:#f5f6f8;color:#1c2024;\
    font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const CARD: &str = "max-width:560px;margin:0 auto;padding:24px;background:#ffffff;border:1px solid #d9dce1;border-radius:8px";
const BUTTON: &str = "display:inline-block;padding:10px 16px;border-radius:6px;background:#2b59c3;color:#ffffff;text-decoration:none;\
    font-weight:600";
const QUIET: &str = "color:#5b6270;font-size:13px";

enum Block {
    Text(String),
    Facts(Vec<(&'static str, String)>),
    Link(&'static str, String),
}

/// The content of a mail, from greeting to signature.
pub(super) struct MailBuilder {
    subject: String,
    blocks: Vec<Block>,
}

impl MailBuilder {
    /// A mail with this subject.
    pub(super) fn new(subject: impl Into<String>) -> Self {
        let subject = subject.into().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { subject, blocks: Vec::new() }
    }

    /// Adds a paragraph.
    pub(super) fn text(mut self, text: impl Into<String>) -> Self {
        self.blocks.push(Block::Text(text.into()));
        self
    }

    /// Adds a list of names and values; those without a value are left out.
    pub(super) fn facts(mut self, facts: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Self {
        let known = facts.into_iter().filter_map(|(name, value)| Some((name, value?)));
        self.blocks.push(Block::Facts(known.collect()));
        self
    }

    /// Adds a link to a page.
    pub(super) fn link(mut self, label: &'static str, url: impl Into<String>) -> Self {
        self.blocks.push(Block::Link(label, url.into()));
        self
    }

    /// Renders the mail to `to` from the Raptor at `panel`.
    pub(super) fn to(self, to: &str, id: String, panel: &str) -> Message {
        let (text, html) = (self.plain(panel), self.html(panel));
        Message { id, to: to.to_owned(), subject: self.subject, text, html }
    }

    fn plain(&self, panel: &str) -> String {
        let mut parts: Vec<String> = self
            .blocks
            .iter()
            .map(|block| match block {
                Block::Text(text) => wrap(text),
                Block::Facts(facts) => {
                    let lines: Vec<_> =
                        facts.iter().map(|(name, value)| format!("  {name}: {}", one_line(value))).collect();
                    lines.join("\n")
                }
                Block::Link(_, url) => url.clone(),
            })
            .collect();
        parts.push(format!("-- \nRaptor at {panel}"));
        parts.join("\n\n") + "\n"
    }

    fn html(&self, panel: &str) -> String {
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{}</title></head>\n\
             <body style=\"{STYLE}\">\n<div style=\"{CARD}\">\n",
            escape(&self.subject)
        );
        for block in &self.blocks {
            // Writing to a string can't fail.
            let _ = match block {
                Block::Text(text) => writeln!(html, "<p style=\"margin:0 0 16px\">{}</p>", escape(text)),
                Block::Facts(facts) => {
                    let lines: Vec<_> = facts
                        .iter()
                        .map(|(name, value)| format!("<b>{name}:</b> {}", escape(value)))
                        .collect();
                    writeln!(html, "<p style=\"margin:0 0 16px\">{}</p>", lines.join("<br>\n"))
                }
                Block::Link(label, url) => writeln!(
                    html,
                    "<p style=\"margin:0 0 16px\"><a href=\"{0}\" style=\"{BUTTON}\">{label}</a></p>\n\
                     <p style=\"margin:0 0 16px;word-break:break-all;{QUIET}\">{0}</p>",
                    escape(url)
                ),
            };
        }
        let panel = escape(panel);
        html + &format!(
            "<p style=\"margin:24px 0 0;{QUIET}\">Raptor at <a href=\"{panel}\">{panel}</a></p>\n</div>\n</body>\n</html>\n"
        )
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wrap(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str) -> Message {
        MailBuilder::new(format!("About {name}"))
            .text(format!("Hello {name}, {}", "this goes on and on. ".repeat(10)))
            .facts([("Name", Some(name.to_owned())), ("Place", None)])
            .link("Open", "https://panel.example.com/?a=1&b=2")
            .to("steve@example.com", "1".into(), "https://panel.example.com")
    }

    #[test]
    fn names_that_people_chose_are_text_and_no_markup_or_header() {
        let message = message("<img src=x onerror='1'>\r\nBcc: eve@example.com");
        assert!(
            !message.html.contains("<img") && message.html.contains("&lt;img src=x onerror=&#39;1&#39;&gt;")
        );
        assert!(!message.subject.contains(['\r', '\n']), "{}", message.subject);
        assert!(message.html.contains("href=\"https://panel.example.com/?a=1&amp;b=2\""));
    }

    #[test]
    fn plain_text_has_short_lines_whole_links_and_no_empty_facts() {
        let message = message("Trains");
        assert!(message.text.lines().all(|line| line.len() <= WIDTH), "{}", message.text);
        assert!(message.text.lines().any(|line| line == "https://panel.example.com/?a=1&b=2"));
        assert!(message.text.contains("  Name: Trains\n") && !message.text.contains("Place"));
    }
}

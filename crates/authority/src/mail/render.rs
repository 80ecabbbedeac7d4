//! Letters in words, as text and as HTML, and as a message (RFC 5322).

use askama::Template;
use keywright_core::EmailAddress;
use lettre::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MessageBuilder, MultiPart, SinglePart};
use uuid::Uuid;

use super::letter::{Letter, Locale};
use super::texts::words;

/// A link and its label.
#[derive(Clone, Debug)]
struct Action {
    label: &'static str,
    url: String,
}

/// What the templates show.
#[derive(Clone, Debug)]
struct Shown {
    language: &'static str,
    subject: String,
    greeting: String,
    paragraphs: Vec<String>,
    action: Option<Action>,
    closing: &'static str,
}

#[derive(Template)]
#[template(path = "mail.txt")]
struct Text<'a> {
    letter: &'a Shown,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    letter: &'a Shown,
}

/// A letter in words.
#[derive(Clone)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// For those who read text.
    pub text: String,
    /// For the others.
    pub html: String,
    /// The link in it.
    pub link: Option<String>,
}

/// Puts a letter into words. Its links lead to `base_url`, the address that is configured, and nowhere else.
///
/// # Errors
/// As the templates: never with those that there are.
pub fn render(letter: &Letter, base_url: &str) -> Result<Rendered, askama::Error> {
    let words = words(letter.locale, letter.name.as_ref().map(keywright_core::Name::as_str), &letter.content);
    let link = letter.content.link();
    let action = link.map(|(path, token)| Action {
        label: words.action,
        url: format!("{base_url}{path}?token={}", token.reveal()),
    });
    let shown = Shown {
        language: letter.locale.as_str(),
        subject: one_line(&words.subject),
        greeting: one_line(&words.greeting),
        paragraphs: words.paragraphs.iter().map(|paragraph| one_line(paragraph)).collect(),
        action,
        closing: words.closing,
    };
    shown.rendered()
}

/// Puts a note into words: paragraphs of which each is on one line, to nobody by name.
///
/// # Errors
/// As the templates: never with those that there are.
pub(super) fn render_note(subject: &str, paragraphs: &[String]) -> Result<Rendered, askama::Error> {
    let shown = Shown {
        language: Locale::English.as_str(),
        subject: one_line(subject),
        greeting: "Hello,".to_owned(),
        paragraphs: paragraphs.iter().map(|paragraph| one_line(paragraph)).collect(),
        action: None,
        closing: "This message was sent by Keywright, by a notification channel.",
    };
    shown.rendered()
}

impl Shown {
    fn rendered(self) -> Result<Rendered, askama::Error> {
        let (text, html) = (Text { letter: &self }.render()?, Html { letter: &self }.render()?);
        Ok(Rendered { subject: self.subject, text, html, link: self.action.map(|action| action.url) })
    }
}

/// What others chose, such as the name of a publisher, begins no line of its own.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Makes the message: the same for each attempt to deliver it, so that a second copy is known for one.
pub(super) fn message(
    letter: &Letter,
    words: &Rendered,
    from: &Mailbox,
    id: Uuid,
) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
    let to = Address::new(letter.to.local(), letter.to.domain())?;
    let name = letter.name.as_ref().map(|name| one_line(name.as_str()));
    compose([Mailbox::new(name, to)], words, from, id)
}

/// The same for a note to several people.
pub(super) fn note(
    to: &[EmailAddress],
    words: &Rendered,
    from: &Mailbox,
    id: Uuid,
) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
    let to: Result<Vec<_>, _> = to
        .iter()
        .map(|to| Address::new(to.local(), to.domain()).map(|address| Mailbox::new(None, address)))
        .collect();
    compose(to?, words, from, id)
}

fn compose(
    to: impl IntoIterator<Item = Mailbox>,
    words: &Rendered,
    from: &Mailbox,
    id: Uuid,
) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
    let body = MultiPart::alternative()
        .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(words.text.clone()))
        .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(words.html.clone()));
    // RFC 3834 §5: nobody's absence is to answer this.
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    let message = to.into_iter().fold(Message::builder().from(from.clone()), MessageBuilder::to);
    Ok(message
        .subject(words.subject.as_str())
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .multipart(body)?)
}

#[cfg(test)]
mod tests {
    use keywright_core::{EmailAddress, Name, PlainToken, Severity};
    use zeroize::Zeroizing;

    use super::super::letter::{AlertLine, Content, LinkToken, Locale};
    use super::*;

    fn token() -> LinkToken {
        LinkToken::of(&PlainToken::mailed(&Zeroizing::new([0xa5; 32])))
    }

    fn contents(publisher: &str) -> Vec<Content> {
        vec![
            Content::Invitation { publisher: Some(publisher.to_owned()), token: token() },
            Content::Invitation { publisher: None, token: token() },
            Content::Added { publisher: publisher.to_owned() },
            Content::PasswordReset { token: token() },
            Content::PasswordChanged,
            Content::EmailVerification { token: token() },
            Content::EmailChange { token: token() },
            Content::EmailChangeNotice { new_email: EmailAddress::parse("new@example.com").unwrap() },
            Content::Alerts {
                alerts: vec![AlertLine { severity: Severity::High, summary: publisher.to_owned() }],
                more: 2,
            },
        ]
    }

    fn letter(locale: Locale, name: &str, content: Content) -> Letter {
        let to = EmailAddress::parse("Ada@Bücher.example").unwrap();
        Letter { to, name: Some(Name::from_stored(name.to_owned())), locale, content }
    }

    #[test]
    fn each_letter_has_words_in_each_language_and_a_link_to_the_configured_address() {
        for locale in Locale::ALL {
            for content in contents("Songtrust") {
                let (template, linked) = (content.template(), content.link().is_some());
                let words = render(&letter(locale, "Ada", content), "https://auth.example.com").unwrap();
                assert!(!words.subject.is_empty() && words.text.contains("Ada"), "{template}");
                assert_eq!(words.link.is_some(), linked, "{template}");
                if let Some(link) = words.link {
                    assert!(link.starts_with("https://auth.example.com/account/"), "{link}");
                    assert!(words.text.contains(&link) && words.html.contains(&link), "{template}");
                }
                assert!(words.html.contains(&format!("<html lang=\"{}\"", locale.as_str())));
            }
        }
    }

    #[test]
    fn what_others_chose_makes_neither_markup_nor_a_header() {
        let evil = "Eve\r\nBcc: all@example.com\r\n\r\n<script>alert(1)</script>";
        let from: Mailbox = "Keywright <keywright@example.com>".parse().unwrap();
        for content in contents(evil) {
            let letter = letter(Locale::English, evil, content);
            let words = render(&letter, "https://auth.example.com").unwrap();
            assert!(!words.html.contains("<script>"), "{}", words.html);
            let message = message(&letter, &words, &from, Uuid::nil()).unwrap();
            let text = String::from_utf8(message.formatted()).unwrap();
            let head = text.split("\r\n\r\n").next().unwrap();
            assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
            assert_eq!(message.envelope().to().len(), 1);
            assert_eq!(message.envelope().to()[0].to_string(), "Ada@xn--bcher-kva.example");
            assert!(head.contains("Auto-Submitted: auto-generated"), "{head}");
        }
    }
}

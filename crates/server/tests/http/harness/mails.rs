//! Mails that a node has sent, as they lie in its folder.

use std::path::Path;

use super::{TestApp, eventually};

/// A mail.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Mail {
    fn read(file: &str) -> Self {
        let whole = unfolded(file);
        let (head, text) = whole.split_once("\r\n\r\n").unwrap();
        Self { head: head.to_owned(), text: text.to_owned() }
    }

    /// The address of a link in it.
    pub(crate) fn link(&self) -> &str {
        let from = self.text.find("https://auth.example.com/").unwrap_or_else(|| panic!("{}", self.text));
        self.text[from..].split(|c: char| c.is_whitespace()).next().unwrap()
    }

    /// The secret in that link.
    pub(crate) fn token(&self) -> String {
        self.link().split_once("?token=").unwrap().1.to_owned()
    }
}

/// Without the soft line breaks of quoted-printable (RFC 2045 §6.7), and with its `=`.
fn unfolded(file: &str) -> String {
    file.replace("=\r\n", "").replace("=3D", "=")
}

/// All mails to an address that lie in a folder, oldest first.
pub(crate) fn mails_in(folder: &Path, to: &str) -> Vec<Mail> {
    let Ok(folder) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    // Their names are ids, which sort by the moment of their making.
    files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    files.sort();
    let mails = files.iter().map(|path| Mail::read(&std::fs::read_to_string(path).unwrap()));
    mails.filter(|mail| mail.head.contains(to)).collect()
}

impl TestApp {
    /// All mails to an address, oldest first.
    pub(crate) fn mails(&self, to: &str) -> Vec<Mail> {
        mails_in(&self.mail_folder(), to)
    }

    /// The newest mail to an address, once so many have come.
    pub(crate) async fn mail(&self, to: &str, count: usize) -> Mail {
        eventually("the mail is delivered", async || self.mails(to).len() >= count).await;
        let mails = self.mails(to);
        assert_eq!(mails.len(), count, "{mails:?}");
        mails.last().unwrap().clone()
    }
}

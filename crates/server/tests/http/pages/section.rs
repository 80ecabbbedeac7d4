//! What a reader of a section has at hand, and what is pasted for it.

use std::collections::BTreeSet;

use super::why_not;
use crate::harness::pasted::{self, Block, Step, blocks};

/// How sections may be carried out. `alone`: on a server that nobody has asked anything yet. `stopped`: once the server was
/// killed. `operator`: on the machine of the server. `sqlite`: on one engine only, as the store does not matter. `old
/// system`: beside an AUTH-2.
const HOW: [&str; 5] = ["alone", "stopped", "operator", "sqlite", "old system"];

/// A section of a document, as `pages/*.sh` tells it: lines that begin with `#:` say how it is carried out, the rest is what
/// a reader did before, and behind `#: after` what is so afterwards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) document: String,
    pub(crate) heading: String,
    /// Of [`HOW`].
    how: BTreeSet<String>,
    /// What a reader puts in the place of what.
    replaced: Vec<(String, String)>,
    /// The commands that answer what is shown in JSON; `-` is the step before it.
    answers: Vec<String>,
    before: String,
    after: String,
}

impl Section {
    pub(crate) fn has(&self, how: &str) -> bool {
        self.how.contains(how)
    }

    /// Whether what is done there has to do with the blocks in a language.
    pub(crate) fn uses(&self, language: &str) -> bool {
        let command = format!("block {language}");
        let own = self.before.lines().chain(self.after.lines());
        own.flat_map(|line| line.split(['|', '>'])).any(|part| part.trim() == command)
    }

    /// The blocks that it is about.
    pub(crate) fn blocks(&self, text: &str) -> Vec<Block> {
        let all = blocks(text).into_iter().filter(|block| block.heading == self.heading);
        all.filter(|block| why_not(&self.document, block).is_none()).collect()
    }
}

/// The sections that a text tells.
pub(crate) fn sections(text: &str) -> Vec<Section> {
    let mut sections = Vec::<Section>::new();
    let mut is_after = false;
    for line in text.lines() {
        let Some(said) = line.strip_prefix("#: ") else {
            if let Some(own) = sections.last_mut() {
                let part = if is_after { &mut own.after } else { &mut own.before };
                part.push_str(&[line, "\n"].concat());
            }
            continue;
        };
        let (verb, rest) = said.split_once(' ').unwrap_or((said, ""));
        if verb == "section" {
            let (document, heading) = rest.split_once(' ').unwrap();
            let (document, heading) = (document.to_owned(), heading.to_owned());
            sections.push(Section { document, heading, ..Section::default() });
            is_after = false;
            continue;
        }
        let own = sections.last_mut().unwrap();
        match verb {
            "for" => {
                let (from, to) = rest.split_once(" => ").unwrap();
                own.replaced.push((from.to_owned(), to.to_owned()));
            }
            "json" => own.answers.push(rest.to_owned()),
            "after" => is_after = true,
            _ => {
                assert!(HOW.contains(&said), "nobody knows {said}");
                own.how.insert(said.to_owned());
            }
        }
    }
    sections
}

/// What is pasted for a section, in its order, and what is expected of each.
pub(crate) struct Pasted {
    pub(crate) texts: Vec<String>,
    /// With the place of what was said to it.
    pub(crate) steps: Vec<(usize, Step)>,
    /// What a block in JSON shows, and the place of its answer.
    pub(crate) shown: Vec<(usize, Block)>,
}

impl Pasted {
    pub(crate) fn of(section: &Section, text: &str, server: &str) -> Self {
        let mut pasted = Self { texts: vec![section.before.clone()], steps: Vec::new(), shown: Vec::new() };
        let mut replaced = section.replaced.clone();
        let mut unused: BTreeSet<_> = replaced.iter().map(|(from, _)| from.clone()).collect();
        replaced.push(("https://auth.example.com".to_owned(), server.to_owned()));
        let (mut answers, mut asked) = (section.answers.iter(), Vec::new());
        for block in section.blocks(text) {
            if block.is_shell() {
                for step in pasted::steps(&block) {
                    let mut command = step.command.clone();
                    for (from, to) in &replaced {
                        if command.contains(from) {
                            unused.remove(from);
                            command = command.replace(from, to);
                        }
                    }
                    pasted.steps.push((pasted.texts.len(), step));
                    pasted.texts.push(command);
                }
            } else if block.language == "json" {
                let answer = answers.next();
                let answer = answer.unwrap_or_else(|| panic!("{}: who answers {block:?}", section.document));
                match answer.as_str() {
                    "-" => pasted.shown.push((pasted.texts.len() - 1, block)),
                    command => asked.push((command, block)),
                }
            }
        }
        assert!(unused.is_empty(), "{} {} does not have {unused:?}", section.document, section.heading);
        assert_eq!(answers.next(), None, "{} {} shows no more", section.document, section.heading);
        pasted.texts.push(section.after.clone());
        for (command, block) in asked {
            pasted.shown.push((pasted.texts.len(), block));
            pasted.texts.push(command.to_owned());
        }
        pasted
    }
}

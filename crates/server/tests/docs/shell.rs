//! As much of a shell as the documents use: words, quotes, continued lines, and what ends a command.

use crate::markdown::Code;

/// A simple command.
pub(crate) struct Command {
    /// Its line in the document.
    pub(crate) line: usize,
    /// Its words, without quotes, assignments and redirections.
    pub(crate) words: Vec<String>,
}

/// The commands of a block or span. In a `console` block those are the lines after a `$`.
pub(crate) fn commands(code: &Code) -> Vec<Command> {
    let mut found = Vec::new();
    let (mut line, mut continued) = (code.line, String::new());
    for (index, text) in code.text.lines().enumerate() {
        let text = match (&code.language, continued.is_empty()) {
            (Some(language), true) if language == "console" => match text.strip_prefix("$ ") {
                Some(command) => command,
                None => continue,
            },
            _ => text,
        };
        if continued.is_empty() {
            line = code.line + index;
        }
        if let Some(more) = text.strip_suffix('\\') {
            continued.push_str(more);
            continue;
        }
        continued.push_str(text);
        let simple = split(&std::mem::take(&mut continued));
        found.extend(simple.into_iter().map(|words| Command { line, words: own_words(words) }));
    }
    found
}

/// Splits a line into simple commands. What stands in `$(…)` is one too.
fn split(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word = None::<String>;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\'' | '"' => {
                let quoted: String = characters.by_ref().take_while(|next| *next != c).collect();
                word.get_or_insert_default().push_str(&quoted);
            }
            '#' if word.is_none() => break,
            '$' if characters.peek() == Some(&'(') => word = None,
            '|' | '&' | ';' | '(' | ')' => {
                commands.last_mut().unwrap().extend(word.take());
                commands.push(Vec::new());
            }
            '<' | '>' => {
                commands.last_mut().unwrap().extend(word.take());
                commands.last_mut().unwrap().push(c.to_string());
            }
            c if c.is_whitespace() => commands.last_mut().unwrap().extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    commands.last_mut().unwrap().extend(word);
    commands
}

/// The command's own words: without assignments before it, redirections, and who runs it.
fn own_words(words: Vec<String>) -> Vec<String> {
    let mut words = words.into_iter().peekable();
    let mut own = Vec::new();
    while let Some(word) = words.next() {
        match word.as_str() {
            "<" | ">" => drop(words.next()),
            "sudo" | "exec" | "time" if own.is_empty() => {
                if words.next_if(|flag| flag == "-u").is_some() {
                    words.next();
                }
            }
            _ if own.is_empty() && word.starts_with("Exec") && word.contains('=') => {
                own.extend(word.split_once('=').map(|(_, command)| command.to_owned()));
            }
            _ if own.is_empty() && is_assignment(&word) => {}
            _ => own.push(word),
        }
    }
    own
}

fn is_assignment(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or_default();
    name.len() < word.len() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

//! `keywright man`: pages for `man`, one for each command.

use std::path::PathBuf;

use clap::Args;

use super::failure::{Failure, Outcome};
use super::output::{Output, text};

/// Write the manual.
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// Where its pages go, one for each command; without it the page of keywright itself is printed
    #[arg(value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

impl Man {
    /// Writes or prints it.
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let command = super::command();
        let Some(directory) = &self.directory else {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            return output.bytes(page.trim_ascii_end());
        };
        let written =
            std::fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(command, directory));
        written.map_err(|error| {
            let place = text::escape(&directory.display().to_string());
            Failure::Failed(format!("cannot write the pages into {place}: {error}"))
        })
    }
}

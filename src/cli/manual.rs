//! `bellrope man` and `bellrope completions`: what a reader of manuals and a shell get.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use clap_complete::Shell;
use clap_mangen::Man;

/// The program's page on stdout; into a folder its page and one for each command.
pub fn pages(program: clap::Command, folder: Option<&Path>) -> Result<()> {
    // There is no page for it.
    let program = program.disable_help_subcommand(true);
    if let Some(folder) = folder {
        return clap_mangen::generate_to(program, folder)
            .with_context(|| format!("cannot write the pages into {}", folder.display()));
    }
    Ok(Man::new(program).render(&mut io::stdout().lock())?)
}

pub fn completions(mut program: clap::Command, shell: Shell) -> Result<()> {
    // In memory first: the library takes a closed pipe for a reason to panic.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, "bellrope", &mut script);
    Ok(io::stdout().lock().write_all(&script)?)
}

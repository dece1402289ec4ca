//! `leakcheck man`: the manual pages, made from the command line itself.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use super::Cli;
use crate::{config::text, exit_code::ExitCode};

/// Options of `leakcheck man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Where to write a page for each verb; without it the first page is printed.
    folder: Option<PathBuf>,
}

/// Prints the first page, or writes them all.
pub fn man(args: &ManArgs) -> ExitCode {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        let rendered = Man::new(Cli::command()).render(&mut page);
        // A reader that went away is no error of ours.
        let _ = rendered.and_then(|()| io::stdout().lock().write_all(&page));
        return ExitCode::Success;
    };
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    match written {
        Ok(()) => ExitCode::Success,
        Err(error) => {
            super::complain(format_args!(
                "leakcheck: cannot write to {}: {error}",
                text::show(folder)
            ));
            ExitCode::Usage
        }
    }
}

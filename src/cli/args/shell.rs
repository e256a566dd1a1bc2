//! What can be typed of `kfleet completions` and `kfleet man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Print completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kfleet completions bash > /etc/bash_completion.d/kfleet
  kfleet completions zsh > \"${fpath[1]}/_kfleet\"
  kfleet completions fish > ~/.config/fish/completions/kfleet.fish")]
pub(in crate::cli) struct CompletionsArguments {
    /// The shell.
    #[arg(value_enum)]
    pub(in crate::cli) shell: Shell,
}

/// Print the manual page, or write that of every command into a folder.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kfleet man | man -l -
  kfleet man --out /usr/local/share/man/man1")]
pub(in crate::cli) struct ManArguments {
    /// The folder.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) out: Option<PathBuf>,
}

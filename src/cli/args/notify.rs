//! What can be typed of `kfleet notify`.

use clap::Args;

/// Show who is told what by webhook, or try a webhook.
///
/// The rules are those of `notify` in `fleet.yaml`. A try sends one message that says it is a test, and prints what the server answered; the address is
/// never printed. Needs neither store nor cloud. Exit codes: 0 shown, or every message was taken; 1 one was not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kfleet notify
  kfleet notify --test oncall")]
pub(in crate::cli) struct NotifyArguments {
    /// Send a test message by this rule (repeatable).
    #[arg(long, value_name = "RULE")]
    pub(in crate::cli) test: Vec<String>,
}

//! What was typed, read; and what is said of what cannot be. Runs nothing.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser as _, ValueEnum as _};

use super::args::{Arguments, LOG_FORMAT};
use super::failure::Failure;
use super::formats::LogFormat;
use super::output::Output;

/// What was typed; the code to end with where that is no command.
pub(super) fn parsed() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        // Help and version are answers, not errors; wrong usage is the error 1 (2 means "changes").
        if !error.use_stderr() {
            return ExitCode::from(u8::from(error.print().is_err()));
        }
        let log = log_format(
            std::env::args_os().filter_map(|word| word.into_string().ok()),
            std::env::var(LOG_FORMAT).ok(),
        );
        let output = Output::new(false, log, false);
        match (unknown_command(&error), log) {
            (Some(failure), _) => output.failure(&failure),
            (None, LogFormat::Json) => output.failure(&usage(&error)),
            (None, LogFormat::Text) => {
                let _gone = error.print();
            }
        }
        ExitCode::from(1)
    })
}

/// A text as it is typed at a shell, so that a hint can be.
pub(super) fn as_typed(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// How errors are written where what was typed could not be read as a whole.
fn log_format(words: impl Iterator<Item = String>, variable: Option<String>) -> LogFormat {
    const FLAG: &str = "--log-format";
    let words: Vec<String> = words.take_while(|word| word != "--").collect();
    let after = words.iter().position(|word| word == FLAG);
    let apart = after.and_then(|at| words.get(at + 1).cloned());
    let joined = words
        .iter()
        .find_map(|word| word.strip_prefix(FLAG)?.strip_prefix('='));
    let said = apart.or(joined.map(str::to_owned)).or(variable);
    said.and_then(|word| LogFormat::from_str(&word, false).ok())
        .unwrap_or_default()
}

/// A command that this version does not have: an older one had it, a newer one has it, or nobody ever.
fn unknown_command(error: &clap::Error) -> Option<Failure> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let near = match error.get(ContextKind::SuggestedSubcommand) {
        // The best comes last.
        Some(ContextValue::Strings(near)) => near.last().cloned(),
        Some(ContextValue::String(near)) => Some(near.clone()),
        Some(_) | None => None,
    };
    let near = known_elsewhere(name).or(near);
    let version = env!("CARGO_PKG_VERSION");
    Some(
        Failure::new(format!("kfleet {version} has no command `{name}`"))
            .hints(near.map(|near| format!("did you mean `{near}`?")))
            .hint("`kfleet help` lists the commands of this version; CHANGELOG.md says what each version brought"),
    )
}

/// What does here what a person typed: a part of `kfleet rollout`, or the word that other tools have for it.
fn known_elsewhere(name: &str) -> Option<String> {
    /// Words of terraform, pulumi, helm and kubectl.
    const WORDS: [(&str, &str); 10] = [
        ("apply", "rollout start"),
        ("deploy", "rollout start"),
        ("up", "rollout start"),
        ("update", "rollout start"),
        ("preview", "plan"),
        ("refresh", "drift"),
        ("list", "status"),
        ("logs", "rollout show"),
        ("validate", "lint"),
        ("version", "-V"),
    ];
    let parts = Arguments::command();
    let rollout = parts.find_subcommand("rollout")?;
    if rollout.find_subcommand(name).is_some() {
        return Some(format!("kfleet rollout {name}"));
    }
    let (_, ours) = WORDS.iter().find(|(word, _)| *word == name)?;
    Some(format!("kfleet {ours}"))
}

/// Everything that is said of wrong usage, as one message.
fn usage(error: &clap::Error) -> Failure {
    let text = error.to_string();
    Failure::new(text.strip_prefix("error: ").unwrap_or(&text).trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_format_is_found_in_broken_usage() {
        let of = |line: &str, variable: Option<&str>| {
            let words = line.split(' ').map(str::to_owned);
            log_format(words, variable.map(str::to_owned))
        };
        assert_eq!(
            of("kfleet plan --log-format json --x", None),
            LogFormat::Json
        );
        assert_eq!(of("kfleet --log-format=json pla", None), LogFormat::Json);
        assert_eq!(of("kfleet pla", Some("json")), LogFormat::Json);
        assert_eq!(
            of("kfleet --log-format text pla", Some("json")),
            LogFormat::Text
        );
        assert_eq!(
            of("kfleet attend -- --log-format json", None),
            LogFormat::Text
        );
    }

    #[test]
    fn an_unknown_command_is_said_to_be_so() {
        let error = Arguments::try_parse_from(["kfleet", "plann"]).unwrap_err();
        let failure = unknown_command(&error).unwrap();
        assert!(
            failure.text.ends_with(" has no command `plann`"),
            "{}",
            failure.text
        );
        assert_eq!(failure.hints[0], "did you mean `plan`?");
        for (typed, ours) in [
            ("history", "kfleet rollout history"),
            ("apply", "kfleet rollout start"),
            ("version", "kfleet -V"),
        ] {
            let error = Arguments::try_parse_from(["kfleet", typed]).unwrap_err();
            let failure = unknown_command(&error).unwrap();
            assert_eq!(failure.hints[0], format!("did you mean `{ours}`?"));
        }
        let error = Arguments::try_parse_from(["kfleet", "plan", "--nope"]).unwrap_err();
        assert!(unknown_command(&error).is_none());
    }
}

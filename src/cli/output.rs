//! Where text goes: the result to standard output, the story to standard error. A reader that went away is no error.

use std::io::{IsTerminal as _, Write as _};

use super::failure::Failure;

/// The two channels.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    quiet: bool,
    /// The cloud spoken of is the simulated account.
    simulated: bool,
}

/// Put before every line that speaks of a simulated account, so that it is not taken for the real one.
pub(super) const LOCAL: &str = "[local] ";

impl Output {
    pub(super) fn new(quiet: bool, simulated: bool) -> Self {
        Output { quiet, simulated }
    }

    /// The result, as it stands.
    pub(super) fn result(&self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())
    }

    /// A result that need not be text.
    pub(super) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
                "cannot write to standard output: {e}"
            ))),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A result that speaks of a cloud.
    pub(super) fn cloud_result(&self, text: &str) -> Result<(), Failure> {
        self.result(&self.announced(text))
    }

    /// A line of the story.
    pub(super) fn story(&self, line: &str) {
        if !self.quiet {
            self.raw_story(&format!("{line}\n"));
        }
    }

    /// A line of a cloud's story.
    pub(super) fn cloud_story(&self, line: &str) {
        self.story(self.announced(line).trim_end_matches('\n'));
    }

    /// The text, with the announcement before every line where the cloud spoken of is simulated.
    pub(super) fn announced(&self, text: &str) -> String {
        let announcement = if self.simulated { LOCAL } else { "" };
        text.lines()
            .map(|line| format!("{announcement}{line}").trim_end().to_owned() + "\n")
            .collect()
    }

    /// Text for standard error as it stands; that it is not read is not an error.
    pub(super) fn raw_story(&self, text: &str) {
        let mut err = anstream::stderr().lock();
        let _gone = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// Whether the live view can be drawn.
    pub(super) fn is_screen(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    /// Whether the result is read by a person at a terminal.
    pub(super) fn colour(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    pub(super) fn failure(&self, failure: &Failure) {
        let mut text = format!("error: {}\n", failure.text.trim_end());
        for hint in &failure.hints {
            text.push_str(&format!("hint: {hint}\n"));
        }
        self.raw_story(&text);
    }
}

//! Where text goes: the result to standard output, the story to standard error. A reader that went away is no error.

use std::io::{IsTerminal as _, Write as _};

use serde_json::{Value as Json, json};

use super::failure::Failure;
use super::formats::LogFormat;

/// The two channels.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    quiet: bool,
    log: LogFormat,
    /// The cloud spoken of is the simulated account.
    simulated: bool,
}

/// Put before every line that speaks of a simulated account, so that it is not taken for the real one.
pub(super) const LOCAL: &str = "[local] ";

impl Output {
    pub(super) fn new(quiet: bool, log: LogFormat, simulated: bool) -> Self {
        Output {
            quiet,
            log,
            simulated,
        }
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
        match self.log {
            _ if self.quiet => {}
            LogFormat::Text => self.raw_story(&format!("{line}\n")),
            LogFormat::Json => self.log(line, false),
        }
    }

    /// A line of a cloud's story.
    pub(super) fn cloud_story(&self, line: &str) {
        match self.log {
            _ if self.quiet => {}
            LogFormat::Text => {
                let announced = self.announced(line);
                self.raw_story(&format!("{}\n", announced.trim_end_matches('\n')));
            }
            LogFormat::Json => self.log(line, self.simulated),
        }
    }

    /// A line as a value with its level.
    fn log(&self, line: &str, simulated: bool) {
        const WARNING: &str = "warning: ";
        let (level, message) = match line.strip_prefix(WARNING) {
            Some(message) => ("warning", message),
            None => ("info", line),
        };
        self.log_value(level, json!({"simulated": simulated, "message": message}));
    }

    fn log_value(&self, level: &str, what: Json) {
        let mut value = json!({"at": super::clock::now_here(), "level": level});
        if let (Some(value), Json::Object(what)) = (value.as_object_mut(), what) {
            value.extend(what);
        }
        self.raw_story(&format!("{value}\n"));
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

    /// Text that moves the cursor. Whoever wants no colour (`NO_COLOR`) has a cursor all the same: what takes colour away would take that too.
    pub(super) fn screen(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        let _gone = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// Whether the live view can be drawn: a dumb terminal cannot move its cursor.
    pub(super) fn is_screen(&self) -> bool {
        let is_plain = self.quiet || self.log == LogFormat::Json || is_dumb();
        !is_plain && std::io::stderr().is_terminal()
    }

    /// Takes what stood there before off the terminal at which the result is read. It stays in what can be scrolled back to.
    pub(super) fn fresh_page(&self) -> Result<(), Failure> {
        if is_dumb() || !self.colour() {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        match out.write_all(b"\x1b[H\x1b[J").and_then(|()| out.flush()) {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
                "cannot write to standard output: {e}"
            ))),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Whether the result is read by a person at a terminal.
    pub(super) fn colour(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    pub(super) fn failure(&self, failure: &Failure) {
        if self.log == LogFormat::Json {
            let Failure { text, hints } = failure;
            self.log_value("error", json!({"message": text.trim_end(), "hints": hints}));
            return;
        }
        let mut text = format!("error: {}\n", failure.text.trim_end());
        for hint in &failure.hints {
            text.push_str(&format!("hint: {hint}\n"));
        }
        self.raw_story(&text);
    }
}

/// A terminal that cannot move its cursor.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

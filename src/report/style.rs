//! How a text is dressed. Every text reads the same without it: colour repeats what words and symbols say already.

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// With ANSI colours.
    pub colour: bool,
    /// Everything: no list is shortened, no value is cut.
    pub full: bool,
}

/// What a colour stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// Comes to be; went well.
    Good,
    /// Changes; waits.
    Change,
    /// Ends; stands in the way; failed.
    Bad,
    /// A heading.
    Head,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Tone::Good => "\x1b[32m",
            Tone::Change => "\x1b[33m",
            Tone::Bad => "\x1b[31m",
            Tone::Head => "\x1b[1m",
        }
    }
}

impl Style {
    pub(super) fn paint(self, tone: Tone, text: &str) -> String {
        if self.colour {
            format!("{}{text}\x1b[0m", tone.code())
        } else {
            text.to_owned()
        }
    }
}

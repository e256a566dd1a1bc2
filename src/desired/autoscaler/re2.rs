//! Regular expressions as Go reads them (RE2), for the engine that is here. Refuses what Go refuses, and says so where the two cannot be brought together.

use regex_lite::Regex;

/// Most repetitions that Go takes.
const MOST: u32 = 1_000;

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoRegex {
    /// Go does not compile it, and cluster-autoscaler then takes none of the priorities.
    #[error("{0}")]
    Refused(String),
    /// Go compiles it; what it matches cannot be told here.
    #[error("what `{0}` matches cannot be told here")]
    Unknown(String),
}

/// Compiles a pattern as Go would read it.
///
/// # Errors
/// When Go would not compile it, and when what it matches cannot be told.
pub(super) fn compile(pattern: &str) -> Result<Regex, NoRegex> {
    let mut translator = Translator {
        rest: pattern,
        out: String::new(),
        depth: 0,
        repeatable: false,
    };
    translator.run()?;
    Regex::new(&translator.out).map_err(|e| NoRegex::Refused(e.to_string()))
}

struct Translator<'p> {
    rest: &'p str,
    out: String,
    depth: u32,
    /// Whether what was written last can be repeated.
    repeatable: bool,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<(), NoRegex> {
        while let Some(c) = self.rest.chars().next() {
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.open()?,
                ')' => {
                    self.depth = self
                        .depth
                        .checked_sub(1)
                        .ok_or_else(|| refused("unexpected )"))?;
                    self.copy(1, true);
                }
                '*' | '+' | '?' => self.repeat(1)?,
                '{' => match counted(self.rest)? {
                    Some(length) => self.repeat(length)?,
                    // To Go a brace that counts nothing is a brace.
                    None => self.literal('{'),
                },
                '|' => self.copy(1, false),
                '^' | '$' | '.' => self.copy(1, true),
                c => self.literal(c),
            }
        }
        if self.depth > 0 {
            return Err(refused("missing )"));
        }
        Ok(())
    }

    fn copy(&mut self, bytes: usize, repeatable: bool) {
        let (head, tail) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.out.push_str(head);
        self.rest = tail;
        self.repeatable = repeatable;
    }

    fn literal(&mut self, c: char) {
        push_literal(&mut self.out, c);
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        self.repeatable = true;
    }

    /// `*`, `+`, `?` or `{n,m}` of `length` bytes, and the `?` that makes it take little.
    fn repeat(&mut self, length: usize) -> Result<(), NoRegex> {
        if !self.repeatable {
            let all: String = self.rest.chars().take(length).collect();
            return Err(refused(format!(
                "missing argument to repetition operator: {all}"
            )));
        }
        self.copy(length, false);
        if self.rest.starts_with('?') {
            self.copy(1, false);
        }
        let again = self.rest.starts_with(['*', '+', '?']) || counted(self.rest)?.is_some();
        if again {
            return Err(refused("invalid nested repetition operator"));
        }
        // A repetition is something that another operator could not follow, and anything else can.
        self.repeatable = false;
        Ok(())
    }

    fn open(&mut self) -> Result<(), NoRegex> {
        let rest = self.rest.get(1..).unwrap_or_default();
        self.depth += 1;
        let Some(extension) = rest.strip_prefix('?') else {
            self.copy(1, false);
            return Ok(());
        };
        let named = extension.strip_prefix("P<").or_else(|| {
            extension
                .strip_prefix('<')
                .filter(|r| !r.starts_with(['=', '!']))
        });
        if let Some(name) = named {
            let end = name
                .find('>')
                .ok_or_else(|| refused("invalid named capture"))?;
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (own, tail) = name.split_at(end);
            if own.is_empty() || !own.chars().all(word) {
                return Err(refused("invalid named capture"));
            }
            self.out.push('(');
            self.rest = tail.get(1..).unwrap_or_default();
            self.repeatable = false;
            return Ok(());
        }
        let end = extension
            .find([':', ')'])
            .ok_or_else(|| refused("missing )"))?;
        let (flags, tail) = extension.split_at(end);
        let known = flags
            .chars()
            .all(|c| matches!(c, 'i' | 'm' | 's' | 'U' | '-'));
        if !known {
            return Err(refused("invalid or unsupported Perl syntax"));
        }
        self.out.push_str("(?");
        self.out.push_str(flags);
        self.out.push_str(tail.get(..1).unwrap_or_default());
        if tail.starts_with(')') {
            self.depth -= 1;
        }
        self.rest = tail.get(1..).unwrap_or_default();
        self.repeatable = false;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), NoRegex> {
        let next = self.rest.chars().nth(1);
        match next {
            None => Err(refused("trailing backslash at end of expression")),
            Some('Q') => {
                let text = self.rest.get(2..).unwrap_or_default();
                let (quoted, tail) = text.split_once("\\E").unwrap_or((text, ""));
                for c in quoted.chars() {
                    push_literal(&mut self.out, c);
                }
                self.rest = tail;
                self.repeatable = !quoted.is_empty();
                Ok(())
            }
            Some('A' | 'b' | 'B' | 'z' | 'd' | 'D' | 's' | 'S' | 'w' | 'W') => {
                self.copy(2, true);
                Ok(())
            }
            Some('p' | 'P' | 'C') => Err(NoRegex::Unknown(self.rest.to_owned())),
            Some(_) => {
                let (c, length) = escaped(self.rest)?;
                push_literal(&mut self.out, c);
                self.rest = self.rest.get(length..).unwrap_or_default();
                self.repeatable = true;
                Ok(())
            }
        }
    }

    /// A class is written anew: inside of one Go knows no sets of sets, and a bracket is a bracket.
    fn class(&mut self) -> Result<(), NoRegex> {
        let mut rest = self.rest.get(1..).unwrap_or_default();
        self.out.push('[');
        if let Some(tail) = rest.strip_prefix('^') {
            self.out.push('^');
            rest = tail;
        }
        let mut first = true;
        loop {
            if rest.starts_with(']') && !first {
                break;
            }
            first = false;
            if rest.is_empty() {
                return Err(refused("missing closing ]"));
            }
            if rest.starts_with("[:") && rest.contains(":]") {
                let end = rest.find(":]").map_or(0, |i| i + 2);
                let name = rest.get(..end).unwrap_or_default();
                if !POSIX.contains(
                    &name
                        .trim_start_matches("[:^")
                        .trim_start_matches("[:")
                        .trim_end_matches(":]"),
                ) {
                    return Err(refused(format!("invalid character class range: {name}")));
                }
                self.out.push_str(name);
                rest = rest.get(end..).unwrap_or_default();
                continue;
            }
            if let Some(kind) = rest.strip_prefix('\\').and_then(|r| r.chars().next())
                && matches!(kind, 'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P')
            {
                if matches!(kind, 'p' | 'P') {
                    return Err(NoRegex::Unknown(rest.to_owned()));
                }
                self.out.push('\\');
                self.out.push(kind);
                rest = rest.get(2..).unwrap_or_default();
                continue;
            }
            let (low, length) = member(rest)?;
            rest = rest.get(length..).unwrap_or_default();
            push_member(&mut self.out, low);
            let ranged = rest
                .strip_prefix('-')
                .filter(|r| !r.starts_with(']') && !r.is_empty());
            if let Some(tail) = ranged {
                let (high, length) = member(tail)?;
                if high < low {
                    return Err(refused(format!(
                        "invalid character class range: {low}-{high}"
                    )));
                }
                self.out.push('-');
                push_member(&mut self.out, high);
                rest = tail.get(length..).unwrap_or_default();
            }
        }
        self.out.push(']');
        self.rest = rest.get(1..).unwrap_or_default();
        self.repeatable = true;
        Ok(())
    }
}

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

fn refused(why: impl Into<String>) -> NoRegex {
    NoRegex::Refused(why.into())
}

/// One character of a class.
fn member(text: &str) -> Result<(char, usize), NoRegex> {
    if text.starts_with('\\') {
        return escaped(text);
    }
    let c = text
        .chars()
        .next()
        .ok_or_else(|| refused("missing closing ]"))?;
    Ok((c, c.len_utf8()))
}

/// The character that an escape stands for, and its length. Anything but letters and digits stands for itself.
fn escaped(text: &str) -> Result<(char, usize), NoRegex> {
    let c = text
        .chars()
        .nth(1)
        .ok_or_else(|| refused("trailing backslash at end of expression"))?;
    let invalid = || refused(format!("invalid escape sequence: \\{c}"));
    let plain = match c {
        'a' => '\u{7}',
        'f' => '\u{c}',
        't' => '\t',
        'n' => '\n',
        'r' => '\r',
        'v' => '\u{b}',
        'x' => return hexadecimal(text).ok_or_else(invalid),
        '0'..='7' => return octal(text).ok_or_else(invalid),
        c if c.is_ascii_alphanumeric() => return Err(invalid()),
        c => c,
    };
    Ok((plain, 1 + c.len_utf8()))
}

fn hexadecimal(text: &str) -> Option<(char, usize)> {
    let rest = text.get(2..)?;
    let (digits, length) = match rest.strip_prefix('{') {
        Some(inner) => {
            let end = inner.find('}')?;
            (inner.get(..end)?, end + 4)
        }
        None => (rest.get(..2)?, 4),
    };
    let value = u32::from_str_radix(digits, 16).ok()?;
    Some((char::from_u32(value)?, length))
}

/// `\0` and up to two digits more, or three digits: one digit alone would be a reference back, which RE2 has not.
fn octal(text: &str) -> Option<(char, usize)> {
    let digits: String = text
        .chars()
        .skip(1)
        .take(3)
        .take_while(|c| ('0'..='7').contains(c))
        .collect();
    if !digits.starts_with('0') && digits.len() < 2 {
        return None;
    }
    let value = u32::from_str_radix(&digits, 8).ok()?;
    Some((char::from_u32(value)?, 1 + digits.len()))
}

/// The length of `{n}`, `{n,}` or `{n,m}`; none: it counts nothing.
fn counted(text: &str) -> Result<Option<usize>, NoRegex> {
    let Some(inner) = text.strip_prefix('{') else {
        return Ok(None);
    };
    let Some(end) = inner.find('}') else {
        return Ok(None);
    };
    let body = inner.get(..end).unwrap_or_default();
    let (least, most) = body.split_once(',').unwrap_or((body, body));
    let digits = |t: &str| !t.is_empty() && t.chars().all(|c| c.is_ascii_digit());
    if !digits(least) || !(most.is_empty() && body.contains(',') || digits(most)) {
        return Ok(None);
    }
    let number = |t: &str| t.parse::<u32>().unwrap_or(u32::MAX);
    let too_many = number(least) > MOST
        || !most.is_empty() && (number(most) > MOST || number(most) < number(least));
    if too_many {
        return Err(refused(format!("invalid repeat count: {{{body}}}")));
    }
    Ok(Some(end + 2))
}

fn push_literal(out: &mut String, c: char) {
    if c.is_ascii_punctuation() && !matches!(c, '<' | '>') {
        out.push('\\');
    }
    out.push(c);
}

fn push_member(out: &mut String, c: char) {
    if c.is_ascii_punctuation() && !matches!(c, '<' | '>') {
        out.push('\\');
    }
    out.push(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_go() {
        for (pattern, name, expected) in [
            (r"^spot-.*\.c\.example\.com$", "spot-a.c.example.com", true),
            (r".*", "x", true),
            (r"a{2}", "aa", true),
            (r"a{,2}", "a{,2}", true),
            (r"{x}", "{x}", true),
            (r"\Qa.b\E+", "a.bb", true),
            (r"\Qa.b\E", "axb", false),
            (r"\<a", "<a", true),
            (r"[[]a", "[a", true),
            (r"[a&&b]", "&", true),
            (r"[]a]", "]", true),
            (r"[[:alpha:]]+-\d", "ab-1", true),
            (r"(?i)SPOT", "spot", true),
            (r"(?P<n>a)", "a", true),
            (r"\x41\101", "AA", true),
            (r"a-b", "a-b", true),
            (r"", "anything", true),
        ] {
            let regex = compile(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}"));
            assert_eq!(regex.is_match(name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in [
            r"(?=a)", r"(?<!a)b", r"(?x)a", r"a**", r"*a", r"a{1001}", r"a{2,1}", r"(a", r"a)",
            r"[a", r"[b-a]", r"\Z", r"\y", r"a\", r"(a)\1", r"|*",
        ] {
            assert!(
                matches!(compile(pattern), Err(NoRegex::Refused(_))),
                "{pattern}"
            );
        }
        assert!(matches!(compile(r"\p{Greek}"), Err(NoRegex::Unknown(_))));
    }
}

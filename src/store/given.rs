//! User data that the fleet gives, in the text of a record: replaced where it stands, so that a record of a thousand clusters is never a tree of JSON
//! beside its text. Reads and writes no file.

use std::io;

use memchr::memmem;

/// How an object begins that holds user data that the fleet gives. In the text of JSON that stands nowhere else: within a string, a quote has a backslash
/// before it.
const BEGINS: &[u8] = b"{\"given\":\"";
/// How much text is gathered before it is looked through.
const BLOCK: usize = 1 << 16;

/// The first user data in a text, from a place on.
enum Next {
    /// None begins before this place; what follows may be the beginning of one.
    NotBefore(usize),
    /// The JSON string, quotes included.
    At(std::ops::Range<usize>),
}

/// An object with another key beside `given` is none of ours.
fn next(text: &[u8], from: usize) -> Next {
    let mut from = from;
    loop {
        let rest = text.get(from..).unwrap_or_default();
        let Some(found) = memmem::find(rest, BEGINS).map(|at| from + at) else {
            return Next::NotBefore(from.max((text.len() + 1).saturating_sub(BEGINS.len())));
        };
        let begin = found + BEGINS.len() - 1;
        let after = text.get(begin + 1..).unwrap_or_default();
        let Some(end) = end_of_string(after).map(|length| begin + 1 + length) else {
            return Next::NotBefore(found);
        };
        match text.get(end) {
            None => return Next::NotBefore(found),
            Some(b'}') => return Next::At(begin..end),
            Some(_) => from = end,
        }
    }
}

/// Behind the quote that ends a JSON string which began before this text.
fn end_of_string(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    let end = text.iter().position(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    })?;
    Some(end + 1)
}

/// Puts what `instead` says in place of user data, from a place on; where the next one may begin.
fn replace<E: From<serde_json::Error>>(
    text: &mut Vec<u8>,
    from: usize,
    instead: &mut impl FnMut(String) -> Result<String, E>,
) -> Result<usize, E> {
    let mut from = from;
    loop {
        match next(text, from) {
            Next::NotBefore(place) => return Ok(place),
            Next::At(string) => {
                let given = serde_json::from_slice(text.get(string.clone()).unwrap_or_default())?;
                let other = serde_json::to_vec(&instead(given)?)?;
                from = string.start + other.len();
                text.splice(string, other);
            }
        }
    }
}

/// The text with what `instead` says in place of all user data.
pub(super) fn replaced<E: From<serde_json::Error>>(
    text: &[u8],
    instead: &mut impl FnMut(String) -> Result<String, E>,
) -> Result<Vec<u8>, E> {
    let mut made = Vec::with_capacity(text.len());
    let mut from = 0;
    for block in text.chunks(BLOCK) {
        made.extend_from_slice(block);
        from = replace(&mut made, from, instead)?;
    }
    Ok(made)
}

/// Gathers the text of a record, with something else in place of user data.
pub(super) struct Replacing<'t, F> {
    text: &'t mut Vec<u8>,
    /// Where user data may begin that has not been replaced.
    from: usize,
    /// How long the text is when it is looked through next.
    until: usize,
    instead: F,
}

impl<'t, F: FnMut(String) -> Result<String, serde_json::Error>> Replacing<'t, F> {
    /// What is in the text already stays as it is.
    pub(super) fn new(text: &'t mut Vec<u8>, instead: F) -> Self {
        let from = text.len();
        Replacing {
            text,
            from,
            until: from + BLOCK,
            instead,
        }
    }

    /// Looks through what is left.
    pub(super) fn end(mut self) -> Result<(), serde_json::Error> {
        self.look()
    }

    fn look(&mut self) -> Result<(), serde_json::Error> {
        self.from = replace(self.text, self.from, &mut self.instead)?;
        // What is held back, a block or more of user data as it may be, is not looked through for each block that is added to it.
        self.until = self.text.len() + BLOCK.max(self.text.len() - self.from);
        Ok(())
    }
}

impl<F: FnMut(String) -> Result<String, serde_json::Error>> io::Write for Replacing<'_, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        if self.text.len() >= self.until {
            self.look()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::Write as _;

    fn upper(text: String) -> Result<String, serde_json::Error> {
        Ok(text.to_uppercase())
    }

    /// Written in pieces of a size, behind a text that is there already.
    fn written(text: &str, piece: usize) -> String {
        let mut made = b"{\"given\":\"x\"}".to_vec();
        let mut to = Replacing::new(&mut made, upper);
        for piece in text.as_bytes().chunks(piece) {
            to.write_all(piece).unwrap();
        }
        to.end().unwrap();
        let made = String::from_utf8(made).unwrap();
        made.strip_prefix("{\"given\":\"x\"}").unwrap().to_owned()
    }

    #[test]
    fn what_is_given_is_replaced_and_nothing_else() {
        let long = "a".repeat(3 * BLOCK);
        for (text, expected) in [
            (
                r#"{"given":"abc"}"#.to_owned(),
                r#"{"given":"ABC"}"#.to_owned(),
            ),
            (
                r#"[{"given":"a\"}\\"},{"given":""}]"#.into(),
                r#"[{"given":"A\"}\\"},{"given":""}]"#.into(),
            ),
            (
                r#"{"given":"a","b":"c"}"#.into(),
                r#"{"given":"a","b":"c"}"#.into(),
            ),
            (
                r#"{"b":"{\"given\":\"a\"}"}"#.into(),
                r#"{"b":"{\"given\":\"a\"}"}"#.into(),
            ),
            (r#"{"given":7}"#.into(), r#"{"given":7}"#.into()),
            (r#"{"given":"a""#.into(), r#"{"given":"a""#.into()),
            (
                format!(r#"[{{"given":"{long}"}},{{"given":"b"}}]"#),
                format!(r#"[{{"given":"{}"}},{{"given":"B"}}]"#, long.to_uppercase()),
            ),
        ] {
            for piece in [1, 7, text.len()] {
                assert_eq!(written(&text, piece), expected);
            }
            let whole = replaced(text.as_bytes(), &mut upper).unwrap();
            assert_eq!(String::from_utf8(whole).unwrap(), expected);
        }
    }
}

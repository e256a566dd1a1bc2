//! Literals of actions → values, by Go's rules. Knows no tokens.

use super::ast::Literal;

/// A number or a character constant.
///
/// # Errors
/// What is wrong with it.
pub(super) fn number(text: &str) -> Result<Literal, String> {
    let illegal = || format!("illegal number syntax: {text:?}");
    let whole = |n: i64| Literal {
        int: Some(n),
        float: Some(float_of(n)),
        complex: None,
        fraction: false,
    };
    if let Some(inner) = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')) {
        let value =
            unescape(inner, '\'').map_err(|()| format!("malformed character constant: {text}"))?;
        let mut chars = value.chars();
        return match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(whole(i64::from(u32::from(c)))),
            _ => Err(format!("malformed character constant: {text}")),
        };
    }
    if let Some(body) = text.strip_suffix('i') {
        return complex(body).ok_or_else(illegal);
    }
    let fraction = if is_hex(text) {
        text.contains(['.', 'p', 'P'])
    } else {
        text.contains(['.', 'e', 'E'])
    };
    if let Some(n) = integer(text) {
        return Ok(whole(n));
    }
    let float = float(text).filter(|f| f.is_finite()).ok_or_else(illegal)?;
    if !fraction {
        return Err(format!("integer overflow: {text:?}"));
    }
    // Whole, and small enough to be one.
    #[expect(clippy::cast_possible_truncation, reason = "compared after")]
    let int = Some(float as i64).filter(|n| float_of(*n) == float && float.abs() < 9e18);
    Ok(Literal {
        int,
        float: Some(float),
        complex: None,
        fraction: true,
    })
}

#[expect(clippy::cast_precision_loss, reason = "as Go does")]
fn float_of(n: i64) -> f64 {
    n as f64
}

fn is_hex(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    digits.starts_with("0x") || digits.starts_with("0X")
}

/// `2i`, `1+2i`.
fn complex(body: &str) -> Option<Literal> {
    let split = body
        .char_indices()
        .skip(1)
        .filter(|(i, c)| {
            let before = body.get(..*i).and_then(|t| t.chars().last());
            matches!(c, '+' | '-') && !matches!(before, Some('e' | 'E' | 'p' | 'P'))
        })
        .map(|(i, _)| i)
        .last();
    let (real, imaginary) = split.map_or(("0", body), |i| body.split_at(i));
    let part = |t: &str| integer(t).map(float_of).or_else(|| float(t));
    Some(Literal {
        int: None,
        float: None,
        complex: Some((part(real)?, part(imaginary)?)),
        fraction: false,
    })
}

/// A whole number with Go's prefixes and underscores; none when it is not a number, or too large.
pub(super) fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, body, prefixed) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest, true)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest, true)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest, true)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, lower.get(1..)?, true)
    } else {
        (10, lower.as_str(), false)
    };
    let plain = without_underscores(body, prefixed)?;
    let value = i128::from_str_radix(&plain, radix).ok()?;
    i64::try_from(if negative { -value } else { value }).ok()
}

/// Underscores may stand between digits, and behind a prefix.
fn without_underscores(body: &str, prefixed: bool) -> Option<String> {
    let bad = body.contains("__")
        || body.ends_with('_')
        || body.starts_with('_') && !prefixed
        || body.starts_with(['+', '-']);
    (!bad).then(|| body.replace('_', ""))
}

/// A number with a fraction, hexadecimal ones too.
pub(super) fn float(text: &str) -> Option<f64> {
    if is_hex(text) {
        return hex_float(text);
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    if text.contains("__") || text.ends_with('_') {
        return None;
    }
    text.replace('_', "").parse().ok()
}

fn hex_float(text: &str) -> Option<f64> {
    let negative = text.starts_with('-');
    let lower = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let body = lower.strip_prefix("0x")?.replace('_', "");
    let (digits, exponent) = body.split_once('p')?;
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let mut value = 0.0_f64;
    for c in whole.chars().chain(part.chars()) {
        value = value * 16.0 + f64::from(c.to_digit(16)?);
    }
    let places = i32::try_from(part.len()).ok()?.checked_mul(4)?;
    let exponent = exponent.parse::<i32>().ok()?.checked_sub(places)?;
    value *= 2.0_f64.powi(exponent);
    Some(if negative { -value } else { value })
}

/// The content of a text in double quotes, without them.
pub(super) fn quoted(inner: &str) -> Result<String, ()> {
    unescape(inner, '"')
}

fn unescape(inner: &str, mark: char) -> Result<String, ()> {
    let mut bytes = Vec::new();
    let mut chars = inner.chars();
    let mut buffer = [0; 4];
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        let next = chars.next().ok_or(())?;
        let plain = match next {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' => '\\',
            'x' => {
                bytes.push(u8::try_from(digits(&mut chars, 16, 2)?).map_err(|_| ())?);
                continue;
            }
            '0'..='7' => {
                let first = next.to_digit(8).ok_or(())?;
                let value = first * 64 + digits(&mut chars, 8, 2)?;
                bytes.push(u8::try_from(value).map_err(|_| ())?);
                continue;
            }
            'u' => char::from_u32(digits(&mut chars, 16, 4)?).ok_or(())?,
            'U' => char::from_u32(digits(&mut chars, 16, 8)?).ok_or(())?,
            c if c == mark => c,
            _ => return Err(()),
        };
        bytes.extend_from_slice(plain.encode_utf8(&mut buffer).as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| ())
}

fn digits(chars: &mut std::str::Chars<'_>, radix: u32, count: usize) -> Result<u32, ()> {
    (0..count).try_fold(0_u32, |value, _| {
        let digit = chars.next().and_then(|c| c.to_digit(radix)).ok_or(())?;
        value
            .checked_mul(radix)
            .and_then(|v| v.checked_add(digit))
            .ok_or(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_go_reads_them() {
        for (text, int, fraction) in [
            ("1", Some(1), false),
            ("017", Some(15), false),
            ("0x1f", Some(31), false),
            ("0b101", Some(5), false),
            ("1_000_000", Some(1_000_000), false),
            ("-3", Some(-3), false),
            ("1e3", Some(1000), true),
            ("1.5", None, true),
            ("'a'", Some(97), false),
        ] {
            let literal = number(text).unwrap();
            assert_eq!((literal.int, literal.fraction), (int, fraction), "{text}");
        }
        for text in [
            "-",
            "08",
            "99999999999999999999",
            "''",
            "1__0",
            "1_",
            "0x",
            "1e999",
        ] {
            assert!(number(text).is_err(), "{text}");
        }
        assert_eq!(number("1i").unwrap().complex, Some((0.0, 1.0)));
        assert_eq!(number("1+2i").unwrap().complex, Some((1.0, 2.0)));
    }

    #[test]
    fn escapes_as_go_reads_them() {
        assert_eq!(quoted(r#"a\n\"\u00e9\x41\101"#).unwrap(), "a\n\"éAA");
        for text in [r"\'", r"\q", r"\xff", r"\u12", r"\400", "\\"] {
            assert!(quoted(text).is_err(), "{text}");
        }
    }
}

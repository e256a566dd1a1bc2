//! Numbers → text as Go's `strconv` writes them. Knows no verbs.

/// The shortest digits that read back as the number, and the place of the decimal point before the first of them.
struct Digits {
    negative: bool,
    digits: String,
    point: i64,
}

fn shortest(n: f64) -> Digits {
    digits_of(&format!("{n:e}"))
}

fn digits_of(scientific: &str) -> Digits {
    let negative = scientific.starts_with('-');
    let (mantissa, exponent) = scientific
        .trim_start_matches('-')
        .split_once('e')
        .unwrap_or((scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0').to_owned();
    let point = if digits.is_empty() {
        0
    } else {
        exponent.parse::<i64>().unwrap_or_default() + 1
    };
    Digits {
        negative,
        digits,
        point,
    }
}

fn special(n: f64) -> Option<&'static str> {
    if n.is_nan() {
        Some("NaN")
    } else if n == f64::INFINITY {
        Some("+Inf")
    } else if n == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

/// `%v` of a `float64`: the shortest digits, with an exponent below -4 and from 6 on.
pub fn general(n: f64) -> String {
    format_float(n, 'g', None)
}

/// `strconv.FormatFloat` for the verbs `e`, `f` and `g` (and `E`, `G`).
pub(super) fn format_float(n: f64, verb: char, precision: Option<usize>) -> String {
    if let Some(word) = special(n) {
        return word.into();
    }
    let text = match (verb.to_ascii_lowercase(), precision) {
        ('f', Some(p)) => format!("{n:.p$}"),
        ('f', None) => fixed(&shortest(n)),
        ('e', Some(p)) => exponent_form(&format!("{n:.p$e}")),
        ('e', None) => exponent_form(&format!("{n:e}")),
        (_, precision) => general_form(n, precision),
    };
    if verb.is_ascii_uppercase() {
        text.to_ascii_uppercase()
    } else {
        text
    }
}

fn general_form(n: f64, precision: Option<usize>) -> String {
    let wanted = precision.map(|p| p.max(1));
    let d = match wanted {
        Some(p) => digits_of(&format!("{n:.*e}", p - 1)),
        None => shortest(n),
    };
    let count = i64::try_from(d.digits.len()).unwrap_or(i64::MAX);
    let mut limit = wanted.map_or(6, |p| i64::try_from(p).unwrap_or(i64::MAX));
    if wanted.is_some() && limit > count && count >= d.point {
        limit = count;
    }
    let exponent = d.point - 1;
    if !d.digits.is_empty() && (exponent < -4 || exponent >= limit) {
        let p = d.digits.len().saturating_sub(1);
        return exponent_form(&format!("{n:.p$e}"));
    }
    fixed(&d)
}

/// Digits with a point and no exponent.
fn fixed(d: &Digits) -> String {
    let sign = if d.negative { "-" } else { "" };
    if d.digits.is_empty() {
        return format!("{sign}0");
    }
    let count = i64::try_from(d.digits.len()).unwrap_or(i64::MAX);
    let zeros = |n: i64| "0".repeat(usize::try_from(n).unwrap_or(0));
    if d.point <= 0 {
        format!("{sign}0.{}{}", zeros(-d.point), d.digits)
    } else if d.point >= count {
        format!("{sign}{}{}", d.digits, zeros(d.point - count))
    } else {
        let (whole, part) = d.digits.split_at(usize::try_from(d.point).unwrap_or(0));
        format!("{sign}{whole}.{part}")
    }
}

/// Rust's `1e6` as Go's `1e+06`.
fn exponent_form(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(rest) => ('-', rest),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// A number as `encoding/json` writes it; none for what JSON does not have.
pub fn json(n: f64) -> Option<String> {
    if !n.is_finite() {
        return None;
    }
    let size = n.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = exponent_form(&format!("{n:e}"));
        // e-09 is written e-9.
        return Some(match text.split_once("e-0") {
            Some((mantissa, digit)) => format!("{mantissa}e-{digit}"),
            None => text,
        });
    }
    Some(fixed(&shortest(n)))
}

/// A text in double quotes, with Go's escapes.
pub(super) fn quote(text: &str, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    text.chars().for_each(|c| escape(c, '"', ascii, &mut out));
    out.push('"');
    out
}

/// A character in single quotes.
pub(super) fn quote_char(c: char, ascii: bool) -> String {
    let mut out = String::from("'");
    escape(c, '\'', ascii, &mut out);
    out.push('\'');
    out
}

fn escape(c: char, mark: char, ascii: bool, out: &mut String) {
    let code = u32::from(c);
    match c {
        '\\' => out.push_str("\\\\"),
        c if c == mark => {
            out.push('\\');
            out.push(c);
        }
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        ' '..='~' => out.push(c),
        c if code < 0x80 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c if !ascii && printable(c) => out.push(c),
        _ if code < 0x1_0000 => out.push_str(&format!("\\u{code:04x}")),
        _ => out.push_str(&format!("\\U{code:08x}")),
    }
}

/// Whether a character shows: letters, marks, numbers, punctuation and symbols do.
pub(super) fn printable(c: char) -> bool {
    // Behind another character, a combining mark shows as well.
    let mut buffer = String::from("x");
    buffer.push(c);
    buffer.escape_debug().count() == 2 || matches!(c, '"' | '\'' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_go_prints_them() {
        for (n, expected) in [
            (1.0, "1"),
            (999_999.0, "999999"),
            (1_000_000.0, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (1e21, "1e+21"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (-0.5, "-0.5"),
            (0.0, "0"),
            (1.8e19, "1.8e+19"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(general(n), expected);
        }
        assert_eq!(format_float(1.5, 'f', Some(0)), "2");
        assert_eq!(format_float(1234.5678, 'g', Some(3)), "1.23e+03");
        assert_eq!(format_float(100.0, 'g', Some(3)), "100");
        assert_eq!(format_float(3.0, 'e', None), "3e+00");
        assert_eq!(json(1e21).as_deref(), Some("1e+21"));
        assert_eq!(json(0.000_000_1).as_deref(), Some("1e-7"));
        assert_eq!(json(123_456_789_012.0).as_deref(), Some("123456789012"));
    }

    #[test]
    fn texts_as_go_quotes_them() {
        assert_eq!(
            quote("a\"\n\u{1}\u{a0}é日\u{2028}😀", false),
            "\"a\\\"\\n\\x01\\u00a0é日\\u2028😀\""
        );
        assert_eq!(quote("é😀", true), "\"\\u00e9\\U0001f600\"");
        assert_eq!(quote_char('\'', false), "'\\''");
    }
}

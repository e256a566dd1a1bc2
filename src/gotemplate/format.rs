//! Values → text as Go's `fmt` prints them: `%v` and the other verbs, widths, and the words for what does not fit. Evaluates nothing.

use super::numbers::{self, format_float, quote};
use super::value::{IntType, ListType, Value};
use super::{dates, limits};

/// A text that grows up to a limit.
#[derive(Debug, Default)]
pub(super) struct Out {
    text: String,
}

/// The text would be longer than a template may make it, or a value holds itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

impl Out {
    pub(super) fn push(&mut self, text: &str) -> Result<(), TooMuch> {
        if self.text.len().saturating_add(text.len()) > limits::TEXT {
            return Err(TooMuch);
        }
        self.text.push_str(text);
        Ok(())
    }

    fn pad(&mut self, with: char, count: usize) -> Result<(), TooMuch> {
        if self.text.len().saturating_add(count) > limits::TEXT {
            return Err(TooMuch);
        }
        self.text.extend(std::iter::repeat_n(with, count));
        Ok(())
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&plain(self).map_err(|_| std::fmt::Error)?)
    }
}

/// `%v`.
pub(super) fn plain(value: &Value) -> Result<String, TooMuch> {
    let mut out = Out::default();
    print(&mut out, value)?;
    Ok(out.into_text())
}

/// `%v`, at the end of a text.
pub(super) fn print(out: &mut Out, value: &Value) -> Result<(), TooMuch> {
    Spec::plain().argument(out, value, 'v')
}

/// `fmt.Sprint`: a blank between two values neither of which is a text.
pub(super) fn sprint(values: &[Value]) -> Result<String, TooMuch> {
    let mut out = Out::default();
    let mut before_text = true;
    for (index, value) in values.iter().enumerate() {
        let text = matches!(value, Value::Text(_));
        if index > 0 && !text && !before_text {
            out.push(" ")?;
        }
        print(&mut out, value)?;
        before_text = text;
    }
    Ok(out.into_text())
}

/// `fmt.Sprintln`.
pub(super) fn sprintln(values: &[Value]) -> Result<String, TooMuch> {
    let mut out = Out::default();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(" ")?;
        }
        print(&mut out, value)?;
    }
    out.push("\n")?;
    Ok(out.into_text())
}

/// Flags, width and precision of one verb.
#[derive(Clone, Copy, Debug, Default)]
struct Spec {
    sharp: bool,
    zero: bool,
    plus: bool,
    minus: bool,
    space: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Wider than this is a mistake, to Go too.
const MAX_WIDTH: usize = 1_000_000;
/// Deeper than this is a value that holds itself.
pub(super) const MAX_DEPTH: usize = 200;

/// `fmt.Sprintf`.
pub(super) fn sprintf(format: &str, values: &[Value]) -> Result<String, TooMuch> {
    let mut printer = Printer {
        rest: format,
        values,
        next: 0,
        reordered: false,
        good_index: true,
        out: Out::default(),
    };
    printer.all()?;
    Ok(printer.out.into_text())
}

struct Printer<'p> {
    rest: &'p str,
    values: &'p [Value],
    next: usize,
    reordered: bool,
    good_index: bool,
    out: Out,
}

impl Printer<'_> {
    fn all(&mut self) -> Result<(), TooMuch> {
        while let Some(percent) = self.rest.find('%') {
            let (before, after) = self.rest.split_at(percent);
            self.out.push(before)?;
            self.rest = after.get(1..).unwrap_or_default();
            self.verb()?;
        }
        let rest = self.rest;
        self.out.push(rest)?;
        if self.reordered || self.next >= self.values.len() {
            return Ok(());
        }
        self.out.push("%!(EXTRA ")?;
        for (index, value) in self.values.iter().skip(self.next).enumerate() {
            if index > 0 {
                self.out.push(", ")?;
            }
            if value.is_nil() {
                self.out.push("<nil>")?;
            } else {
                self.out.push(value.type_name())?;
                self.out.push("=")?;
                print(&mut self.out, value)?;
            }
        }
        self.out.push(")")
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn skip(&mut self, c: char) {
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
    }

    fn verb(&mut self) -> Result<(), TooMuch> {
        let mut spec = Spec::default();
        self.good_index = true;
        while let Some(c @ ('#' | '0' | '+' | '-' | ' ')) = self.peek() {
            match c {
                '#' => spec.sharp = true,
                '0' => spec.zero = true,
                '+' => spec.plus = true,
                '-' => spec.minus = true,
                _ => spec.space = true,
            }
            self.skip(c);
        }
        self.index();
        spec.width = match self.star() {
            Some(Some(n)) => {
                if n < 0 {
                    spec.minus = true;
                }
                usize::try_from(n.unsigned_abs()).ok()
            }
            Some(None) => {
                self.out.push("%!(BADWIDTH)")?;
                None
            }
            None => self.number(),
        };
        if self.peek() == Some('.') {
            self.skip('.');
            self.index();
            spec.precision = match self.star() {
                Some(Some(n)) => usize::try_from(n).ok(),
                Some(None) => {
                    self.out.push("%!(BADPREC)")?;
                    None
                }
                None => Some(self.number().unwrap_or(0)),
            };
        }
        self.index();
        let Some(verb) = self.peek() else {
            return self.out.push("%!(NOVERB)");
        };
        self.skip(verb);
        if verb == '%' {
            return self.out.push("%");
        }
        if !self.good_index {
            return self.out.push(&format!("%!{verb}(BADINDEX)"));
        }
        let Some(value) = self.values.get(self.next) else {
            return self.out.push(&format!("%!{verb}(MISSING)"));
        };
        self.next += 1;
        if spec.minus {
            spec.zero = false;
        }
        spec.argument(&mut self.out, value, verb)
    }

    fn number(&mut self) -> Option<usize> {
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        digits.parse().ok().filter(|n| *n <= MAX_WIDTH)
    }

    /// `*`: the width from the values; the inner none when it is no whole number.
    fn star(&mut self) -> Option<Option<i64>> {
        if self.peek() != Some('*') {
            return None;
        }
        self.skip('*');
        let value = self.values.get(self.next);
        self.next += usize::from(value.is_some());
        Some(match value {
            Some(Value::Int(n, _)) if n.unsigned_abs() <= MAX_WIDTH as u64 => Some(*n),
            Some(_) | None => None,
        })
    }

    /// `[2]`: the value that is next.
    fn index(&mut self) {
        let Some(inside) = self.rest.strip_prefix('[') else {
            return;
        };
        self.reordered = true;
        let Some((digits, rest)) = inside.split_once(']') else {
            self.good_index = false;
            self.skip('[');
            return;
        };
        self.rest = rest;
        match digits.parse::<usize>() {
            Ok(n) if n >= 1 && n <= self.values.len() => self.next = n - 1,
            Ok(_) | Err(_) => self.good_index = false,
        }
    }
}

impl Spec {
    fn plain() -> Self {
        Spec::default()
    }

    fn argument(self, out: &mut Out, value: &Value, verb: char) -> Result<(), TooMuch> {
        if value.is_nil() {
            return match verb {
                'T' | 'v' => self.padded(out, "<nil>"),
                verb => out.push(&format!("%!{verb}(<nil>)")),
            };
        }
        if verb == 'T' {
            return self.padded(out, value.type_name());
        }
        self.value(out, value, verb, 0)
    }

    fn value(self, out: &mut Out, value: &Value, verb: char, depth: usize) -> Result<(), TooMuch> {
        if depth > MAX_DEPTH {
            return Err(TooMuch);
        }
        match value {
            Value::Absent | Value::Nil => out.push("<nil>"),
            Value::Bool(b) if matches!(verb, 't' | 'v') => {
                self.padded(out, if *b { "true" } else { "false" })
            }
            Value::Int(n, kind) => match self.integer(*n, *kind, verb) {
                Some(text) => self.padded_number(out, &text),
                None => self.bad(out, value, verb, depth),
            },
            Value::Float(n) => match self.float(*n, verb) {
                Some(text) => self.padded_number(out, &text),
                None => self.bad(out, value, verb, depth),
            },
            Value::Complex(a, b) if matches!(verb, 'v' | 'g' | 'f' | 'e') => {
                let part = |n: f64| self.float(n, verb).unwrap_or_default();
                let imaginary = part(*b);
                let sign = if imaginary.starts_with(['-', '+']) {
                    ""
                } else {
                    "+"
                };
                self.padded(out, &format!("({}{sign}{imaginary}i)", part(*a)))
            }
            Value::Text(text) => self.text(out, text, verb, value, depth),
            Value::Time(time) => self.text(out, &dates::text(*time), verb, value, depth),
            Value::Duration(n) if verb == 'd' => self.padded_number(out, &n.to_string()),
            Value::Duration(n) => self.text(out, &dates::duration(*n), verb, value, depth),
            Value::Version(v) => self.text(out, &v.to_string(), verb, value, depth),
            Value::List(list) => {
                let open = if self.sharp && verb == 'v' {
                    format!("{}{{", value.type_name())
                } else {
                    "[".into()
                };
                let (between, close) = self.brackets(verb);
                out.push(&open)?;
                for (index, item) in list.items().iter().enumerate() {
                    if index > 0 {
                        out.push(between)?;
                    }
                    self.inner(out, item, verb, depth, list.item_type())?;
                }
                out.push(close)
            }
            Value::Map(map) => self.map(out, map, value, verb, depth),
            Value::Bool(_) | Value::Complex(..) => self.bad(out, value, verb, depth),
        }
    }

    fn brackets(self, verb: char) -> (&'static str, &'static str) {
        if self.sharp && verb == 'v' {
            (", ", "}")
        } else {
            (" ", "]")
        }
    }

    fn map(
        self,
        out: &mut Out,
        map: &super::value::Map,
        value: &Value,
        verb: char,
        depth: usize,
    ) -> Result<(), TooMuch> {
        let sharp = self.sharp && verb == 'v';
        if sharp {
            out.push(&format!("{}{{", value.type_name()))?;
        } else {
            out.push("map[")?;
        }
        let (between, close) = self.brackets(verb);
        for (index, (key, item)) in map.entries().iter().enumerate() {
            if index > 0 {
                out.push(between)?;
            }
            let key_value = Value::Text(key.clone());
            self.text(out, key, verb, &key_value, depth + 1)?;
            out.push(":")?;
            self.inner(out, item, verb, depth, ListType::Any)?;
        }
        out.push(close)
    }

    fn inner(
        self,
        out: &mut Out,
        item: &Value,
        verb: char,
        depth: usize,
        of: ListType,
    ) -> Result<(), TooMuch> {
        if item.is_nil() && self.sharp && verb == 'v' && of == ListType::Any {
            return out.push("interface {}(nil)");
        }
        self.value(out, item, verb, depth + 1)
    }

    fn bad(self, out: &mut Out, value: &Value, verb: char, depth: usize) -> Result<(), TooMuch> {
        out.push(&format!("%!{verb}({}=", value.type_name()))?;
        self.value(out, value, 'v', depth + 1)?;
        out.push(")")
    }

    fn integer(self, n: i64, kind: IntType, verb: char) -> Option<String> {
        let size = n.unsigned_abs();
        let digits = match verb {
            'v' if self.sharp && kind == IntType::Byte => format!("{size:#x}"),
            'v' | 'd' => size.to_string(),
            'b' => format!("{}{size:b}", if self.sharp { "0b" } else { "" }),
            'o' => format!("{}{size:o}", if self.sharp { "0" } else { "" }),
            'O' => format!("0o{size:o}"),
            'x' => format!("{}{size:x}", if self.sharp { "0x" } else { "" }),
            'X' => format!("{}{size:X}", if self.sharp { "0X" } else { "" }),
            'c' | 'q' | 'U' => return self.character(n, verb),
            _ => return None,
        };
        let digits = match self.precision {
            Some(0) if n == 0 => String::new(),
            Some(p) => format!("{digits:0>p$}"),
            None => digits,
        };
        Some(self.signed(n < 0, &digits))
    }

    fn signed(self, negative: bool, digits: &str) -> String {
        let sign = if negative {
            "-"
        } else if self.plus {
            "+"
        } else if self.space {
            " "
        } else {
            ""
        };
        format!("{sign}{digits}")
    }

    fn character(self, n: i64, verb: char) -> Option<String> {
        let c = u32::try_from(n)
            .ok()
            .and_then(char::from_u32)
            .unwrap_or('\u{fffd}');
        Some(match verb {
            'c' => c.to_string(),
            'q' => numbers::quote_char(c, self.plus),
            _ => {
                let shown = if self.sharp && numbers::printable(c) {
                    format!(" '{c}'")
                } else {
                    String::new()
                };
                format!("U+{n:04X}{shown}")
            }
        })
    }

    fn float(self, n: f64, verb: char) -> Option<String> {
        let text = match verb {
            'v' => format_float(n, 'g', self.precision),
            'g' | 'G' => format_float(n, verb, self.precision),
            'e' | 'E' | 'f' => format_float(n, verb, Some(self.precision.unwrap_or(6))),
            'F' => format_float(n, 'f', Some(self.precision.unwrap_or(6))),
            _ => return None,
        };
        let plain = text.trim_start_matches(['+', '-']);
        let infinite = n.is_infinite() && !text.starts_with('-');
        Some(if infinite {
            format!("+{plain}")
        } else if n.is_nan() {
            plain.to_owned()
        } else {
            self.signed(text.starts_with('-'), plain)
        })
    }

    fn text(
        self,
        out: &mut Out,
        text: &str,
        verb: char,
        value: &Value,
        depth: usize,
    ) -> Result<(), TooMuch> {
        let cut = |text: &str| match self.precision {
            Some(p) => text.chars().take(p).collect(),
            None => text.to_owned(),
        };
        match verb {
            'v' if self.sharp => self.padded(out, &quote(text, false)),
            'v' | 's' => self.padded(out, &cut(text)),
            'q' if self.sharp
                && !text.contains('`')
                && text.chars().all(|c| c == '\t' || numbers::printable(c)) =>
            {
                self.padded(out, &format!("`{}`", cut(text)))
            }
            'q' => self.padded(out, &quote(&cut(text), self.plus)),
            'x' | 'X' => {
                let bytes = text.bytes().take(self.precision.unwrap_or(usize::MAX));
                let hex: Vec<String> = bytes
                    .map(|b| {
                        if verb == 'x' {
                            format!("{b:02x}")
                        } else {
                            format!("{b:02X}")
                        }
                    })
                    .collect();
                self.padded(out, &hex.join(if self.space { " " } else { "" }))
            }
            _ => self.bad(out, value, verb, depth),
        }
    }

    fn padded(self, out: &mut Out, text: &str) -> Result<(), TooMuch> {
        let missing = self
            .width
            .map_or(0, |w| w.saturating_sub(text.chars().count()));
        let with = if self.zero { '0' } else { ' ' };
        if missing > 0 && !self.minus {
            out.pad(with, missing)?;
        }
        out.push(text)?;
        if missing > 0 && self.minus {
            out.pad(' ', missing)?;
        }
        Ok(())
    }

    /// Zeros stand between sign and digits.
    fn padded_number(self, out: &mut Out, text: &str) -> Result<(), TooMuch> {
        let finite = text.ends_with(|c: char| c.is_ascii_alphanumeric())
            && !text.ends_with("Inf")
            && text != "NaN";
        let missing = self
            .width
            .map_or(0, |w| w.saturating_sub(text.chars().count()));
        if !self.zero || missing == 0 || !finite {
            return Spec {
                zero: false,
                ..self
            }
            .padded(out, text);
        }
        let digits = text.trim_start_matches(['+', '-', ' ']);
        let sign = text.get(..text.len() - digits.len()).unwrap_or_default();
        out.push(sign)?;
        out.pad('0', missing)?;
        out.push(digits)
    }
}

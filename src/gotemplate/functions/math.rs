//! Arithmetic: whole numbers with 64 bits, numbers with a fraction by decimal digits.

use super::super::call::{CallArguments, Entry, Result, Running, Trouble};
use super::super::fault::Limit;
use super::super::limits;
use super::super::value::{List, ListType, Value};
use super::convert::{float, whole};

pub(super) const TABLE: &[Entry] = &[
    ("add", "a*", |_, a| {
        Ok(Value::int64(
            a.from(0)
                .iter()
                .fold(0, |sum, v| sum.wrapping_add(whole(v))),
        ))
    }),
    ("add1", "a", |_, a| {
        Ok(Value::int64(whole(a.any(0)).wrapping_add(1)))
    }),
    ("sub", "aa", |_, a| {
        Ok(Value::int64(whole(a.any(0)).wrapping_sub(whole(a.any(1)))))
    }),
    ("mul", "aa*", |_, a| {
        let first = whole(a.any(0));
        Ok(Value::int64(
            a.from(1)
                .iter()
                .fold(first, |product, v| product.wrapping_mul(whole(v))),
        ))
    }),
    ("div", "aa", |_, a| divided(a, i64::wrapping_div)),
    ("mod", "aa", |_, a| divided(a, i64::wrapping_rem)),
    ("max", "aa*", |_, a| {
        Ok(Value::int64(a.from(0).iter().map(whole).max().unwrap_or(0)))
    }),
    ("biggest", "aa*", |_, a| {
        Ok(Value::int64(a.from(0).iter().map(whole).max().unwrap_or(0)))
    }),
    ("min", "aa*", |_, a| {
        Ok(Value::int64(a.from(0).iter().map(whole).min().unwrap_or(0)))
    }),
    ("maxf", "aa*", |_, a| {
        Ok(Value::Float(
            a.from(0)
                .iter()
                .map(float)
                .fold(f64::NEG_INFINITY, f64::max),
        ))
    }),
    ("minf", "aa*", |_, a| {
        Ok(Value::Float(
            a.from(0).iter().map(float).fold(f64::INFINITY, f64::min),
        ))
    }),
    ("floor", "a", |_, a| {
        Ok(Value::Float(float(a.any(0)).floor()))
    }),
    ("ceil", "a", |_, a| Ok(Value::Float(float(a.any(0)).ceil()))),
    ("round", "aif*", round),
    ("addf", "a*", |_, a| decimal(a, Decimal::plus, |x, y| x + y)),
    ("add1f", "a", add1f),
    ("subf", "aa*", |_, a| {
        decimal(a, Decimal::minus, |x, y| x - y)
    }),
    ("mulf", "aa*", |_, a| {
        decimal(a, Decimal::times, |x, y| x * y)
    }),
    ("divf", "aa*", |_, a| {
        decimal(a, Decimal::over, |x, y| x / y)
    }),
    ("until", "i", |_, a| {
        let count = a.number(0);
        steps(0, count, if count < 0 { -1 } else { 1 }).map(Value::List)
    }),
    ("untilStep", "iii", |_, a| {
        steps(a.number(0), a.number(1), a.number(2)).map(Value::List)
    }),
    ("seq", "i*", seq),
];

fn divided(a: CallArguments<'_>, divide: fn(i64, i64) -> i64) -> Result {
    match whole(a.any(1)) {
        0 => Err("runtime error: integer divide by zero".into()),
        by => Ok(Value::int64(divide(whole(a.any(0)), by))),
    }
}

fn add1f(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let values = [a.any(0).clone(), Value::int(1)];
    decimal(CallArguments::new(&values), Decimal::plus, |x, y| x + y)
}

fn round(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let value = float(a.any(0));
    let places = i32::try_from(a.number(1)).unwrap_or(0);
    let up_from = if a.count() > 2 { float(a.any(2)) } else { 0.5 };
    let power = 10.0_f64.powi(places);
    let shifted = power * value;
    let rounded = if shifted.fract() >= up_from {
        shifted.ceil()
    } else {
        shifted.floor()
    };
    Ok(Value::Float(rounded / power))
}

fn steps(start: i64, stop: i64, step: i64) -> std::result::Result<List, Trouble> {
    let mut found = Vec::new();
    let down = stop < start;
    if down && step >= 0 || !down && step <= 0 {
        return Ok(List::of(ListType::Int, found));
    }
    let mut at = start;
    while if down { at > stop } else { at < stop } {
        if found.len() >= limits::ITEMS {
            return Err(Trouble::TooMuch(Limit::Size));
        }
        found.push(Value::int(at));
        at = at.saturating_add(step);
    }
    Ok(List::of(ListType::Int, found))
}

fn seq(_: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let (start, stop, step) = match a.count() {
        1 => (1, a.number(0), if a.number(0) < 1 { -1 } else { 1 }),
        2 => (
            a.number(0),
            a.number(1),
            if a.number(1) < a.number(0) { -1 } else { 1 },
        ),
        3 => (a.number(0), a.number(2), a.number(1)),
        _ => return Ok(Value::text("")),
    };
    if stop < start && step > 0 {
        return Ok(Value::text(""));
    }
    let beyond = if stop < start { -1 } else { 1 };
    let list = steps(start, stop.saturating_add(beyond), step)?;
    let words: Vec<String> = list.items().iter().map(|v| whole(v).to_string()).collect();
    Ok(Value::text(words.join(" ")))
}

/// A number by its decimal digits, so that 0.1 and 0.2 make 0.3.
#[derive(Clone, Copy)]
struct Decimal {
    digits: i128,
    /// Digits behind the point.
    places: u32,
}

impl Decimal {
    /// None for what has too many digits to be exact about.
    fn of(n: f64) -> Option<Decimal> {
        let text = format!("{n}");
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        Some(Decimal {
            digits: format!("{whole}{part}").parse().ok()?,
            places: u32::try_from(part.len()).ok()?,
        })
    }

    fn value(self) -> f64 {
        let negative = self.digits < 0;
        let places = self.places as usize;
        let digits = format!(
            "{:0>width$}",
            self.digits.unsigned_abs(),
            width = places + 1
        );
        let (whole, part) = digits.split_at(digits.len() - places);
        let size: f64 = format!("{whole}.{part}").parse().unwrap_or(0.0);
        if negative { -size } else { size }
    }

    fn with_places(self, places: u32) -> Option<i128> {
        self.digits
            .checked_mul(10_i128.checked_pow(places.checked_sub(self.places)?)?)
    }

    fn plus(self, other: Decimal) -> Option<Decimal> {
        let places = self.places.max(other.places);
        let digits = self
            .with_places(places)?
            .checked_add(other.with_places(places)?)?;
        Some(Decimal { digits, places })
    }

    fn minus(self, other: Decimal) -> Option<Decimal> {
        let digits = other.digits.checked_neg()?;
        self.plus(Decimal { digits, ..other })
    }

    fn times(self, other: Decimal) -> Option<Decimal> {
        Some(Decimal {
            digits: self.digits.checked_mul(other.digits)?,
            places: self.places.checked_add(other.places)?,
        })
    }

    /// To sixteen places, rounded half away from zero.
    fn over(self, other: Decimal) -> Option<Decimal> {
        const PLACES: u32 = 16;
        let top = self.with_places(self.places + other.places + PLACES)?;
        let bottom = other
            .digits
            .checked_mul(10_i128.checked_pow(self.places)?)?;
        let whole = top.checked_div(bottom)?;
        let rest = top.checked_rem(bottom)?;
        let up = rest.unsigned_abs() * 2 >= bottom.unsigned_abs();
        let sign = if (top < 0) == (bottom < 0) { 1 } else { -1 };
        Some(Decimal {
            digits: whole + if up { sign } else { 0 },
            places: PLACES,
        })
    }
}

/// A chain of one operation; with floating point where digits do not fit.
fn decimal(
    a: CallArguments<'_>,
    exact: fn(Decimal, Decimal) -> Option<Decimal>,
    near: fn(f64, f64) -> f64,
) -> Result {
    let values: Vec<f64> = a.from(0).iter().map(float).collect();
    let Some((first, rest)) = values.split_first() else {
        return Ok(Value::Float(0.0));
    };
    let digits = rest.iter().try_fold(Decimal::of(*first), |total, next| {
        Some(total.zip(Decimal::of(*next)).and_then(|(t, n)| exact(t, n)))
    });
    let total = match digits.flatten() {
        Some(total) => total.value(),
        None => rest.iter().fold(*first, |total, next| near(total, *next)),
    };
    if total.is_finite() {
        Ok(Value::Float(total))
    } else {
        Err("decimal division by 0, or a number that is infinite".into())
    }
}

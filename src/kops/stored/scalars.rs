//! Durations and quantities as Go and Kubernetes print them. Knows no fields.

/// A duration as Go prints it (`48h` is `48h0m0s`, `1500ms` is `1.5s`); none when it is no duration.
pub(super) fn duration(text: &str) -> Option<String> {
    let (negative, body) = text
        .strip_prefix('-')
        .map_or((false, text), |body| (true, body));
    let nanoseconds = super::super::values::nanoseconds(body)?;
    let shown = shown(nanoseconds);
    Some(if negative && nanoseconds > 0 {
        format!("-{shown}")
    } else {
        shown
    })
}

fn shown(nanoseconds: u128) -> String {
    const SECOND: u128 = 1_000_000_000;
    match nanoseconds {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanoseconds}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(nanoseconds, 1_000)),
        1_000_000..SECOND => format!("{}ms", fraction(nanoseconds, 1_000_000)),
        _ => {
            let minutes = nanoseconds / (60 * SECOND);
            let seconds = fraction(nanoseconds % (60 * SECOND), SECOND);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// `value / unit` with as many decimals as it has; `unit` is a power of ten.
fn fraction(value: u128, unit: u128) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = unit.to_string().len() - 1;
    format!(
        "{whole}.{}",
        format!("{rest:0digits$}").trim_end_matches('0')
    )
}

/// A quantity as Kubernetes prints it (`2000m` is `2`, `1024Mi` is `1Gi`); none when it is not a quantity, or finer than a billionth.
///
/// The family of the suffix stays: `1Gi` is not printed as `1073741824`, though the two are one quantity (see [`same_quantity`]).
pub(super) fn quantity(text: &str) -> Option<String> {
    let amount = amount(text)?;
    let sign = if amount.negative && amount.nanos > 0 {
        "-"
    } else {
        ""
    };
    if amount.nanos == 0 {
        return Some("0".to_owned());
    }
    let shown = shown_amount(&amount);
    Some(format!("{sign}{shown}"))
}

/// The number with the suffix of its family, as kops prints it.
fn shown_amount(amount: &Amount) -> String {
    let whole = amount
        .nanos
        .is_multiple_of(NANO)
        .then_some(amount.nanos / NANO);
    match (amount.family, whole) {
        // Below 1024 kops prints a binary quantity as a plain number, and one that is no whole number in decimal.
        (Family::Binary, Some(n)) => scaled(n, 1024, &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]),
        (Family::Exponent, Some(n)) => {
            scaled(n, 1000, &["", "e3", "e6", "e9", "e12", "e15", "e18"])
        }
        (Family::Exponent, None) => scaled(
            amount.nanos,
            1000,
            &[
                "e-9", "e-6", "e-3", "", "e3", "e6", "e9", "e12", "e15", "e18",
            ],
        ),
        (Family::Decimal | Family::Binary, _) => scaled(
            amount.nanos,
            1000,
            &["n", "u", "m", "", "k", "M", "G", "T", "P", "E"],
        ),
    }
}

/// Whether two texts are one quantity.
pub(super) fn same_quantity(a: &str, b: &str) -> bool {
    match (amount(a), amount(b)) {
        (Some(a), Some(b)) => {
            (a.nanos, a.negative && a.nanos > 0) == (b.nanos, b.negative && b.nanos > 0)
        }
        (_, _) => false,
    }
}

/// The largest unit that leaves a whole number.
fn scaled(mut n: u128, step: u128, units: &[&str]) -> String {
    let mut last = units.first().copied().unwrap_or_default();
    for unit in units.iter().skip(1) {
        if !n.is_multiple_of(step) {
            break;
        }
        n /= step;
        last = unit;
    }
    format!("{n}{last}")
}

const NANO: u128 = 1_000_000_000;

/// Which suffixes a quantity was written with.
#[derive(Clone, Copy)]
enum Family {
    /// `k`, `M`, `m`, none.
    Decimal,
    /// `Ki`, `Mi`.
    Binary,
    /// `e3`.
    Exponent,
}

struct Amount {
    /// In billionths of one.
    nanos: u128,
    negative: bool,
    family: Family,
}

fn amount(text: &str) -> Option<Amount> {
    let (numerator, denominator, negative) = super::super::values::quantity(text)?.parts();
    let scaled = numerator.checked_mul(NANO)?;
    let nanos = (scaled % denominator == 0).then_some(scaled / denominator)?;
    let suffix = text
        .trim_start_matches(['+', '-'])
        .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let family = match suffix {
        "" | "n" | "u" | "m" | "k" | "M" | "G" | "T" | "P" | "E" => Family::Decimal,
        _ if suffix.ends_with('i') => Family::Binary,
        _ => Family::Exponent,
    };
    Some(Amount {
        nanos,
        negative,
        family,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_go_prints_them() {
        for (written, printed) in [
            ("48h", "48h0m0s"),
            ("600s", "10m0s"),
            ("0", "0s"),
            ("0h", "0s"),
            ("90s", "1m30s"),
            ("1.5h", "1h30m0s"),
            ("1500ms", "1.5s"),
            ("1ms", "1ms"),
            ("1500us", "1.5ms"),
            ("1500ns", "1.5µs"),
            ("7ns", "7ns"),
            ("59s", "59s"),
            ("1h0m0.25s", "1h0m0.25s"),
            ("-90s", "-1m30s"),
        ] {
            assert_eq!(duration(written).as_deref(), Some(printed), "{written}");
        }
        assert_eq!(
            ["1d", "", "-", "h", "90"].map(duration),
            [None, None, None, None, None]
        );
    }

    #[test]
    fn quantities_are_as_kubernetes_prints_them() {
        for (written, printed) in [
            ("2000m", "2"),
            ("1024Mi", "1Gi"),
            ("1Gi", "1Gi"),
            ("1000Mi", "1000Mi"),
            ("0.5", "500m"),
            ("0.5Gi", "512Mi"),
            ("1.5", "1500m"),
            ("1000", "1k"),
            ("100", "100"),
            ("1e3", "1e3"),
            ("1000e3", "1e6"),
            ("0", "0"),
            ("0Mi", "0"),
            ("-2000m", "-2"),
            ("+5", "5"),
            ("100m", "100m"),
        ] {
            assert_eq!(quantity(written).as_deref(), Some(printed), "{written}");
        }
        assert_eq!(["x", "1GB", ""].map(quantity), [None, None, None]);
    }

    #[test]
    fn one_quantity_has_many_spellings() {
        assert!(
            same_quantity("1Gi", "1073741824")
                && same_quantity("1e3", "1k")
                && same_quantity("0.1", "100m")
                && same_quantity("-0", "0")
        );
        assert!(!same_quantity("1Gi", "1G") && !same_quantity("x", "x"));
    }
}

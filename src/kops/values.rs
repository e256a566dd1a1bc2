//! Values with a syntax of their own: Go durations, Kubernetes quantities, percentages, taints, ARNs. No positions, no rules about where they stand.

use crate::fleet::Amount;

/// Whole seconds of a Go duration such as `48h20m`; none when it is no such text or negative. `0` needs no unit.
pub(super) fn duration(text: &str) -> Option<u64> {
    u64::try_from(nanoseconds(text)? / 1_000_000_000).ok()
}

/// As [`duration`], to the nanosecond.
pub(super) fn nanoseconds(text: &str) -> Option<u128> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut nanoseconds: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let scale: u128 = nanoseconds_per(unit)?;
        let (numerator, denominator) = decimal(number)?;
        nanoseconds = nanoseconds.checked_add(numerator.checked_mul(scale)? / denominator)?;
        rest = tail;
    }
    Some(nanoseconds)
}

fn nanoseconds_per(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// The whole number that a floating one stands for.
pub(super) fn whole(f: f64) -> Option<i64> {
    // Within 2^53 a whole f64 is exactly that integer.
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    (f.fract() == 0.0 && f.abs() < 9_007_199_254_740_992.0).then_some(f as i64)
}

/// A Kubernetes quantity as a fraction of whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quantity {
    numerator: u128,
    denominator: u128,
    negative: bool,
}

impl Quantity {
    /// The value divided by `unit`, rounded up, as Go's `ScaledValue` does; none when it does not fit.
    pub(super) fn in_units_of(self, unit: u128) -> Option<i64> {
        let divisor = self.denominator.checked_mul(unit)?;
        if self.negative {
            return i64::try_from(self.numerator / divisor).ok().map(|n| -n);
        }
        i64::try_from(self.numerator.div_ceil(divisor)).ok()
    }

    /// Numerator, denominator, and whether it is negative.
    pub(super) fn parts(self) -> (u128, u128, bool) {
        (self.numerator, self.denominator, self.negative)
    }
}

/// Reads a quantity: `2`, `0.5`, `500m`, `2G`, `4Gi`, `1e3`.
pub(super) fn quantity(text: &str) -> Option<Quantity> {
    let (negative, body) = text
        .strip_prefix('-')
        .map_or((false, text.strip_prefix('+').unwrap_or(text)), |b| {
            (true, b)
        });
    let end = body
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(body.len());
    let (number, suffix) = body.split_at(end);
    let (numerator, denominator) = decimal(number)?;
    let (up, down) = scale(suffix)?;
    Some(Quantity {
        numerator: numerator.checked_mul(up)?,
        denominator: denominator.checked_mul(down)?,
        negative,
    })
}

/// What a suffix multiplies by and divides by.
fn scale(suffix: &str) -> Option<(u128, u128)> {
    let decimal_scale = |n: u32| Some((1000_u128.checked_pow(n)?, 1));
    let binary = |n: u32| Some((1024_u128.checked_pow(n)?, 1));
    match suffix {
        "" => Some((1, 1)),
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1_000)),
        "k" => decimal_scale(1),
        "M" => decimal_scale(2),
        "G" => decimal_scale(3),
        "T" => decimal_scale(4),
        "P" => decimal_scale(5),
        "E" => decimal_scale(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10_u128.checked_pow(exponent.unsigned_abs())?;
            Some(if exponent < 0 { (1, power) } else { (power, 1) })
        }
    }
}

/// `12.5` as 125/10. At least one digit; nine decimals at most count, as nothing here is finer.
fn decimal(text: &str) -> Option<(u128, u128)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits_only = |s: &str| s.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty()
        || !digits_only(whole)
        || !digits_only(fraction)
        || whole.len() > 18
    {
        return None;
    }
    let fraction: String = fraction.chars().take(9).collect();
    let denominator = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let numerator = format!("{whole}{fraction}").parse().ok()?;
    Some((numerator, denominator))
}

/// A percentage such as `25%`. A number in quotes is not one: Kubernetes tells the two apart by their type.
pub(super) fn percentage(text: &str) -> Option<Amount> {
    let percent = text.strip_suffix('%')?;
    let digits = percent.chars().all(|c| c.is_ascii_digit());
    digits
        .then(|| percent.parse().ok())
        .flatten()
        .map(Amount::Percent)
}

/// A taint as kops reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// With its prefix, if it has one: `node-role.kubernetes.io/control-plane`.
    pub key: String,
    /// Value; may be empty. None: written without `=`.
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; none: a taint without effect, which makes no tag.
    pub effect: Option<String>,
}

/// Reads `key`, `key:Effect` or `key=value:Effect`.
pub(super) fn taint(text: &str) -> Option<Taint> {
    let mut parts = text.split(':');
    let head = parts.next().unwrap_or_default();
    let effect = parts.next();
    if parts.next().is_some()
        || effect.is_some_and(|e| !matches!(e, "NoSchedule" | "PreferNoSchedule" | "NoExecute"))
    {
        return None;
    }
    let (key, value) = head
        .split_once('=')
        .map_or((head, None), |(key, value)| (key, Some(value)));
    let ok = !key.is_empty() && value.is_none_or(|v| !v.contains('='));
    ok.then(|| Taint {
        key: key.into(),
        value: value.map(Into::into),
        effect: effect.map(Into::into),
    })
}

/// The resource part of an ARN.
pub(super) fn arn_resource(text: &str) -> Option<&str> {
    let mut parts = text.splitn(6, ':');
    (parts.next() == Some("arn")).then_some(())?;
    parts.nth(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        let read = [
            "48h20m", "0", "1.5h", "90s", "1500ms", "86400", "h", "-1h", "", "1d",
        ]
        .map(duration);
        assert_eq!(
            read,
            [
                Some(174_000),
                Some(0),
                Some(5_400),
                Some(90),
                Some(1),
                None,
                None,
                None,
                None,
                None
            ]
        );
    }

    #[test]
    fn memory_is_counted_in_millions_rounded_up_as_kops_does() {
        let mega = |t| quantity(t).and_then(|q| q.in_units_of(1_000_000));
        assert_eq!(
            ["2G", "2Gi", "4500M", "1", "1e9", "0.5Gi", "1GB", "x"].map(mega),
            [
                Some(2_000),
                Some(2_148),
                Some(4_500),
                Some(1),
                Some(1_000),
                Some(537),
                None,
                None
            ]
        );
        assert_eq!(
            ["2", "500m", "1500m"].map(|t| quantity(t).and_then(|q| q.in_units_of(1))),
            [Some(2), Some(1), Some(2)]
        );
    }

    #[test]
    fn taints_have_one_colon_and_one_equals_sign() {
        let show = |t| taint(t).map(|t| format!("{} {:?} {:?}", t.key, t.value, t.effect));
        assert_eq!(
            show("a=b:NoSchedule").as_deref(),
            Some("a Some(\"b\") Some(\"NoSchedule\")")
        );
        assert_eq!(
            show("a:NoExecute").as_deref(),
            Some("a None Some(\"NoExecute\")")
        );
        assert_eq!(show("a").as_deref(), Some("a None None"));
        assert_eq!(
            ["a=b=c:NoSchedule", "a:b:c", ":NoSchedule", "a:Never"].map(show),
            [None, None, None, None]
        );
    }
}

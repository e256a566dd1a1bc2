//! Semantic versions and the constraints on them that templates compare with. Knows no values.

use std::cmp::Ordering;
use std::fmt;

/// A version such as `1.30.2-alpha.1+build`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    pre: String,
    build: String,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.build.is_empty() {
            write!(f, "+{}", self.build)?;
        }
        Ok(())
    }
}

impl Version {
    /// `v1`, `1.2` and the like are taken for whole versions, as Go's library does.
    pub fn parse(text: &str) -> Option<Version> {
        let (version, parts) = partial(text)?;
        (parts.iter().all(Option::is_some) || !text.contains(['x', 'X', '*'])).then_some(version)
    }

    /// Its order, pre-releases before what they come before.
    pub fn compare(&self, other: &Version) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| pre_order(&self.pre, &other.pre))
    }
}

/// A version of which parts may be left out or be `x`; a part that is left out has no value.
fn partial(text: &str) -> Option<(Version, [Option<u64>; 3])> {
    let rest = text.strip_prefix('v').unwrap_or(text);
    let (rest, build) = rest.split_once('+').unwrap_or((rest, ""));
    let (core, pre) = rest.split_once('-').unwrap_or((rest, ""));
    if rest.contains('-') && !is_dotted(pre) || text.contains('+') && !is_dotted(build) {
        return None;
    }
    let parts = parts(core)?;
    let numbers = parts.map(Option::unwrap_or_default);
    let version = Version {
        numbers,
        pre: pre.to_owned(),
        build: build.to_owned(),
    };
    Some((version, parts))
}

/// Words with a dot between them.
fn is_dotted(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.split('.')
        .all(|word| !word.is_empty() && word.chars().all(fits))
}

/// Major, minor and patch; behind an `x` all are open.
fn parts(core: &str) -> Option<[Option<u64>; 3]> {
    let mut parts = [None; 3];
    let mut open = false;
    let words: Vec<&str> = core.split('.').collect();
    if words.len() > 3 {
        return None;
    }
    for (slot, word) in parts.iter_mut().zip(words) {
        if matches!(word, "x" | "X" | "*") {
            open = true;
        } else if !word.is_empty() && word.chars().all(|c| c.is_ascii_digit()) {
            if !open {
                *slot = Some(word.parse().ok()?);
            }
        } else {
            return None;
        }
    }
    Some(parts)
}

fn pre_order(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => match (x.parse::<u64>(), y.parse::<u64>()) {
                (Ok(x), Ok(y)) => x.cmp(&y),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => x.cmp(y),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Whether the version is within the constraint: `>=1.19, <2 || ^3`, `~1.2`, `1.x`, `1.2 - 1.4`. None: it is no constraint.
pub(super) fn satisfies(constraint: &str, version: &Version) -> Option<bool> {
    let mut any = false;
    for alternative in constraint.split("||") {
        let mut all = true;
        for (operator, text) in terms(alternative)? {
            all &= holds(&operator, &text, version)?;
        }
        any |= all;
    }
    Some(any)
}

/// The comparisons that have to hold together.
fn terms(alternative: &str) -> Option<Vec<(String, String)>> {
    let spaced = alternative.replace(',', " ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut found = Vec::new();
    let mut index = 0;
    while let Some(word) = words.get(index) {
        let version_at = word
            .find(|c: char| !"=!<>~^".contains(c))
            .unwrap_or(word.len());
        let (operator, rest) = word.split_at(version_at);
        if words.get(index + 1) == Some(&"-") && operator.is_empty() {
            found.push((">=".to_owned(), rest.to_owned()));
            found.push(("<=".to_owned(), (*words.get(index + 2)?).to_owned()));
            index += 3;
            continue;
        }
        let text = if rest.is_empty() {
            index += 1;
            (*words.get(index)?).to_owned()
        } else {
            rest.to_owned()
        };
        found.push((operator.to_owned(), text));
        index += 1;
    }
    (!found.is_empty()).then_some(found)
}

fn holds(operator: &str, text: &str, version: &Version) -> Option<bool> {
    let (bound, parts) = partial(text)?;
    let [major, minor, patch] = parts;
    // A pre-release is only ever meant where the constraint names one.
    let hidden = !version.pre.is_empty() && bound.pre.is_empty();
    let open = major.is_none() || minor.is_none() || patch.is_none();
    let same = |count: usize| {
        version
            .numbers
            .iter()
            .zip(parts)
            .take(count)
            .all(|(n, p)| p.is_none_or(|p| p == *n))
    };
    let order = version.compare(&bound);
    let result = match operator {
        "" | "=" if open => !hidden && same(3),
        "" | "=" => !hidden && order == Ordering::Equal,
        "!=" if open => !hidden && !same(3),
        "!=" => !hidden && order != Ordering::Equal,
        ">" if open => !hidden && order == Ordering::Greater && !same(3),
        ">" => !hidden && order == Ordering::Greater,
        "<" => !hidden && order == Ordering::Less,
        ">=" | "=>" => !hidden && order != Ordering::Less,
        "<=" | "=<" if open => !hidden && (order == Ordering::Less || same(3)),
        "<=" | "=<" => !hidden && order != Ordering::Greater,
        "~" | "~>" => {
            let all =
                major.is_none() || version.numbers == [0; 3] && bound.numbers == [0; 3] && open;
            !hidden && (all || order != Ordering::Less && same(2))
        }
        "^" => !hidden && order != Ordering::Less && caret(parts, &version.numbers),
        _ => return None,
    };
    Some(result)
}

/// What `^` allows: nothing left of the first number that is not zero changes.
fn caret(parts: [Option<u64>; 3], numbers: &[u64; 3]) -> bool {
    let [major, minor, patch] = parts;
    let [a, b, c] = *numbers;
    match (major, minor, patch) {
        (None, _, _) => true,
        (Some(x), _, _) if x > 0 => a == x,
        (Some(_), None, _) => a == 0,
        (Some(_), Some(y), _) if y > 0 => a == 0 && b == y,
        (Some(_), Some(_), None) => a == 0 && b == 0,
        (Some(_), Some(_), Some(z)) => a == 0 && b == 0 && c == z,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_hold_as_go_has_them() {
        for (constraint, version, expected) in [
            (">=1.19.0", "1.20.3", true),
            (">=1.19", "1.18.9", false),
            ("~1.2", "1.2.9", true),
            ("~1.2.3", "1.3.0", false),
            ("^1.2", "1.9.0", true),
            ("^0.2.3", "0.3.0", false),
            ("1.x", "1.5.0", true),
            ("1.2 - 1.4", "1.4.5", true),
            (">1.2 <1.4 || 2.x", "2.1.0", true),
            (">= 1.2, < 2", "1.9.0", true),
            (">=1.2.0", "1.3.0-alpha", false),
            (">=1.2.0-0", "1.3.0-alpha", true),
            ("!=1.2.3", "1.2.3", false),
            (">1.2", "1.2.5", false),
        ] {
            let version = Version::parse(version).unwrap();
            assert_eq!(
                satisfies(constraint, &version),
                Some(expected),
                "{constraint} {version}"
            );
        }
        assert_eq!(satisfies("a.b", &Version::parse("1").unwrap()), None);
        assert_eq!(Version::parse("v1.2").unwrap().to_string(), "1.2.0");
        assert!(Version::parse("x").is_none());
    }
}

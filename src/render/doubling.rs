//! Assignments that make a text twice as long each time: `set s = s ~ s`. The engine counts steps and not bytes, so forty of them end the process.

use std::ops::Range;

use super::trace::tag_length;

/// The first tag that assigns to a name what has that name in it twice, as operands of `~` or `+`.
pub(super) fn find(text: &str) -> Option<Range<usize>> {
    let mut at = 0;
    while let Some(open) = text.get(at..).and_then(|t| t.find('{')) {
        let start = at + open;
        let rest = text.get(start..)?;
        let Some(length) = tag_length(rest) else {
            at = start + 1;
            continue;
        };
        if rest.get(..length).is_some_and(doubles) {
            return Some(start..start + length);
        }
        at = start + length;
    }
    None
}

fn doubles(tag: &str) -> bool {
    let Some(inner) = tag.strip_prefix("{%").and_then(|t| t.strip_suffix("%}")) else {
        return false;
    };
    let inner = inner.trim_matches(['-', '+', ' ', '\n', '\t']);
    let Some((name, value)) = inner
        .strip_prefix("set ")
        .and_then(|assignment| assignment.split_once('='))
    else {
        return false;
    };
    let name = name.trim();
    operands(value).filter(|o| begins_with(o, name)).count() > 1
}

/// The parts between `~` and `+`; an operator in a text is not one.
fn operands(value: &str) -> impl Iterator<Item = &str> {
    let mut quote = None;
    value.split(move |c| match quote {
        Some(q) if c == q => {
            quote = None;
            false
        }
        Some(_) => false,
        None if c == '"' || c == '\'' => {
            quote = Some(c);
            false
        }
        None => c == '~' || c == '+',
    })
}

fn begins_with(operand: &str, name: &str) -> bool {
    let operand = operand.trim_start_matches([' ', '(', '\n', '\t']);
    operand.strip_prefix(name).is_some_and(|rest| {
        !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '['))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_added_to_itself_is_found() {
        for text in [
            "{% set s = s ~ s %}",
            "{%- set ns.s = ns.s ~ \"-\" ~ ns.s -%}",
            "{% set s = (s + s) %}",
            "a\n{% set s = s|upper ~ s %}",
        ] {
            assert!(find(text).is_some(), "{text}");
        }
        for text in [
            "{% set s = s ~ \"s ~ s\" %}",
            "{% set s = s if s else t %}",
            "{% set s = s ~ sx ~ s.x %}",
            "{{ s ~ s }}",
            "{% set n = n + 1 %}",
        ] {
            assert_eq!(find(text), None, "{text}");
        }
    }
}

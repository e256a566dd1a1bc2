//! Functions of Go's templates and of Sprig → operators, filters and functions of Jinja, where they do the same. Source: Go `text/template`; Sprig.

use super::expr::{Binding, Expr, quoted};

/// The call; none: there is no such function there, or not with such arguments.
pub(super) fn call(name: &str, arguments: &[Expr]) -> Option<Expr> {
    match arguments {
        [] => None,
        [one] => of_one(name, one).or_else(|| of_many(name, arguments)),
        [first, last] => of_two(name, first, last).or_else(|| of_many(name, arguments)),
        [first, second, last] => {
            of_three(name, first, second, last).or_else(|| of_many(name, arguments))
        }
        _ => of_many(name, arguments),
    }
}

fn of_one(name: &str, one: &Expr) -> Option<Expr> {
    let filter = match name {
        "b64enc" | "b64dec" | "quote" | "squote" | "upper" | "lower" | "trim" | "int" | "float"
        | "first" | "last" | "uniq" | "sha256sum" => name,
        "int64" | "atoi" => "int",
        "float64" => "float",
        "toString" => "string",
        "len" => "length",
        "sortAlpha" => "sort",
        "toRawJson" | "toJson" => "to_json",
        "title" => "title",
        "reverse" => "reverse",
        "until" => return Some(Expr::atom(format!("until({})", one.text))),
        "not" => {
            let text = format!("not {}", one.condition().operand());
            return Some(Expr::new(text, Binding::Compound));
        }
        "add1" => return Some(operator("+", one, &Expr::atom("1"))),
        "empty" => {
            let text = format!("not {}", one.condition().operand());
            return Some(Expr::new(text, Binding::Compound));
        }
        _ => return None,
    };
    Some(one.filter(filter))
}

fn operator(sign: &str, left: &Expr, right: &Expr) -> Expr {
    let text = format!("{} {sign} {}", left.operand(), right.operand());
    Expr::new(text, Binding::Compound)
}

/// Sprig takes what is worked on last.
fn of_two(name: &str, first: &Expr, last: &Expr) -> Option<Expr> {
    let sign = match name {
        "eq" => Some("=="),
        "ne" => Some("!="),
        "lt" => Some("<"),
        "le" => Some("<="),
        "gt" => Some(">"),
        "ge" => Some(">="),
        "sub" => Some("-"),
        "div" => Some("//"),
        "mod" => Some("%"),
        _ => None,
    };
    if let Some(sign) = sign {
        return Some(operator(sign, first, last));
    }
    let filter = match name {
        "indent" | "nindent" | "join" => name,
        "splitList" => "split",
        "trimPrefix" => "trim_prefix",
        "trimSuffix" => "trim_suffix",
        "hasPrefix" => "starts_with",
        "hasSuffix" => "ends_with",
        "default" => return Some(last.filter(&format!("default({}, true)", first.text))),
        "contains" => return Some(operator("in", first, last)),
        "has" => return Some(operator("in", first, last)),
        "hasKey" => return Some(operator("in", last, first)),
        "get" => {
            let found = first.item(last);
            return Some(found.filter("default(\"\")"));
        }
        _ => return None,
    };
    Some(last.filter(&format!("{filter}({})", first.text)))
}

fn of_three(name: &str, first: &Expr, second: &Expr, last: &Expr) -> Option<Expr> {
    match name {
        "replace" => Some(last.filter(&format!("replace({}, {})", first.text, second.text))),
        "ternary" => {
            let condition = last.condition().operand();
            let text = format!(
                "{} if {condition} else {}",
                first.operand(),
                second.operand()
            );
            Some(Expr::new(text, Binding::Compound))
        }
        _ => None,
    }
}

fn of_many(name: &str, arguments: &[Expr]) -> Option<Expr> {
    let joined = |sign: &str, part: fn(&Expr) -> String| {
        let parts: Vec<String> = arguments.iter().map(part).collect();
        let text = parts.join(&format!(" {sign} "));
        let level = if parts.len() > 1 {
            Binding::Compound
        } else {
            Binding::Atom
        };
        Expr::new(text, level)
    };
    let texts: Vec<&str> = arguments.iter().map(|a| a.text.as_str()).collect();
    match name {
        "and" | "or" => Some(joined(name, |a| a.condition().operand())),
        "add" => Some(joined("+", Expr::operand)),
        "mul" => Some(joined("*", Expr::operand)),
        "eq" => {
            let (first, others) = arguments.split_first()?;
            let others: Vec<&str> = others.iter().map(|a| a.text.as_str()).collect();
            let text = format!("{} in [{}]", first.operand(), others.join(", "));
            Some(Expr::new(text, Binding::Compound))
        }
        "list" => Some(Expr::atom(format!("[{}]", texts.join(", ")))),
        "dict" => {
            let pairs: Vec<String> = texts.chunks(2).map(|pair| pair.join(": ")).collect();
            texts
                .len()
                .is_multiple_of(2)
                .then(|| Expr::atom(format!("{{{}}}", pairs.join(", "))))
        }
        "coalesce" => Some(Expr::atom(format!("coalesce({})", texts.join(", ")))),
        "printf" => printf(arguments),
        _ => None,
    }
}

/// A format of `%s`, `%d` and `%v` alone: its pieces and the values between them.
fn printf(arguments: &[Expr]) -> Option<Expr> {
    let (format, values) = arguments.split_first()?;
    let format = format.literal.as_ref()?;
    let mut values = values.iter();
    let mut parts = Vec::new();
    let mut pieces = format.split('%');
    let text = |piece: &str| (!piece.is_empty()).then(|| quoted(piece));
    parts.extend(pieces.next().and_then(text));
    for piece in pieces {
        let rest = piece.strip_prefix(['s', 'd', 'v'])?;
        parts.push(values.next()?.operand());
        parts.extend(text(rest));
    }
    let level = if parts.len() > 1 {
        Binding::Compound
    } else {
        Binding::Atom
    };
    values
        .next()
        .is_none()
        .then(|| Expr::new(parts.join(" ~ "), level))
}

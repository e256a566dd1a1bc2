//! A Go template → the same as a Jinja template, as far as there is the same. Runs nothing, and knows nothing of kops or of fleets.
//!
//! What the two languages print differently (numbers, nulls, maps) is not looked at here: the translation renders both and compares.

mod calls;
mod construct;
mod expr;
mod expressions;
mod tags;
mod walk;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use construct::{Construct, Host, JinjaStyle, Untranslated};

use super::fault::GoFault;
use super::functions::Functions;
use super::parse::parse;
use super::source::TemplateText;

/// The text of a template, translated.
///
/// # Errors
/// A fault in the template itself; inside, everything that has no translation.
pub fn translate(
    file: &str,
    text: &str,
    functions: &Functions,
    style: JinjaStyle,
    host: &dyn Host,
) -> Result<Result<String, Vec<Untranslated>>, GoFault> {
    let source = Arc::new(TemplateText {
        name: file.to_owned(),
        text: text.to_owned(),
    });
    let parsed = parse(&source, functions)?;
    let mut walk = walk::Walk::new(&source, style, host);
    walk.template(&parsed.main.body);
    Ok(walk.end())
}

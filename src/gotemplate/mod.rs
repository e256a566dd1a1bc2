//! Go's template language with the functions of Sprig, as texts → text. Pure and hermetic: no files, clock, environment, network or randomness but
//! what the caller hands in. Knows nothing of fleets or kops.
//!
//! Why not a crate: those there are print numbers, maps and errors in ways of their own, and people compare bytes.

mod ast;
mod call;
mod dates;
mod eval;
mod fault;
mod format;
mod functions;
mod jinja;
mod json;
mod lex;
mod limits;
mod literal;
mod numbers;
mod parse;
mod reads;
mod source;
mod templates;
mod value;
mod version;
mod world;

#[cfg(test)]
mod tests;

pub use call::{CallArguments, Function, Running, Trouble};
pub use eval::TemplateOutput;
pub use fault::{GoFault, Limit, Problem, Site};
pub use functions::Functions;
pub use jinja::{Construct, Host, JinjaStyle, Untranslated, translate};
pub use json::to_json;
pub use numbers::{general as go_float, json as json_float};
pub use templates::Templates;
pub use value::{IntType, List, ListType, Map, Time, Value};
pub use version::Version;
pub use world::{Environment, TemplateOptions, TemplateWorld};

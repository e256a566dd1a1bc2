//! The table of functions and filters that templates have beyond the engine's own. Everything here is pure: no clock, no randomness, no files.

mod collections;
mod encode;
mod text;

use minijinja::Environment;
use minijinja::functions::Function;
use minijinja::value::{FunctionArgs, FunctionResult};

/// Gives an environment all of them, and takes away what would print variables.
pub(super) fn add_all(env: &mut Environment<'static>) {
    env.remove_global("debug");
    env.remove_filter("pprint");
    text::add(env);
    encode::add(env);
    collections::add(env);
}

/// One name as a filter (`x | f(a)`) and as a function (`f(x, a)`).
fn both<F, Rv, Args>(env: &mut Environment<'static>, name: &'static str, f: F)
where
    F: Function<Rv, Args> + Clone,
    Rv: FunctionResult,
    Args: for<'a> FunctionArgs<'a>,
{
    env.add_filter(name, f.clone());
    env.add_function(name, f);
}

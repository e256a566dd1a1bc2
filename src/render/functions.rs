//! The table of functions and filters that templates have beyond the engine's own. Everything here is pure: no clock, no randomness, no files.

mod collections;
mod encode;
mod register;
mod text;

use minijinja::Environment;

/// Gives an environment all of them, and takes away what would print variables.
pub(super) fn add_all(env: &mut Environment<'static>) {
    env.remove_global("debug");
    env.remove_filter("pprint");
    text::add(env);
    encode::add(env);
    collections::add(env);
}

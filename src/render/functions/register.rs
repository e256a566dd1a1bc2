//! How a function gets its name in templates.

use minijinja::Environment;
use minijinja::functions::Function;
use minijinja::value::{FunctionArgs, FunctionResult};

/// One name as a filter (`x | f(a)`) and as a function (`f(x, a)`).
pub(super) fn both<F, Rv, Args>(env: &mut Environment<'static>, name: &'static str, f: F)
where
    F: Function<Rv, Args> + Clone,
    Rv: FunctionResult,
    Args: for<'a> FunctionArgs<'a>,
{
    env.add_filter(name, f.clone());
    env.add_function(name, f);
}

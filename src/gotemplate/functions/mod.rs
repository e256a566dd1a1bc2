//! The functions templates have: Go's own and Sprig's, by theme, and how one is declared. What needs a clock, chance, the environment or a network
//! is there by name and says why it does not work.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a function takes the types it takes, and every other type, a new one too, is the same error"
)]

mod bounds;
mod checksums;
mod compare;
mod convert;
mod encode;
mod lists;
mod maps;
mod math;
mod merge;
mod paths;
mod patterns;
mod print;
mod text;
mod times;
mod words;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::call::{Body, CallArguments, Entry, Function, Result, Running};

/// Functions by name. Cheap to copy.
#[derive(Clone, Debug)]
pub struct Functions(Arc<BTreeMap<Arc<str>, Function>>);

impl Functions {
    /// Go's own functions and Sprig's.
    pub fn sprig() -> Self {
        static ALL: OnceLock<Functions> = OnceLock::new();
        ALL.get_or_init(all).clone()
    }

    /// These, and one more; it takes the place of one of the same name. For the letters of `parameters` see the tables of this module:
    /// `s` text, `i` int, `b` bool, `m` map, `a` anything.
    #[must_use]
    pub fn with(
        self,
        name: &str,
        parameters: &'static str,
        body: impl Fn(&mut Running<'_>, CallArguments<'_>) -> Result + Send + Sync + 'static,
    ) -> Self {
        let mut table = (*self.0).clone();
        let function = Function::new(name, parameters, Body::Given(Arc::new(body)));
        table.insert(name.into(), function);
        Functions(Arc::new(table))
    }

    pub(super) fn get(&self, name: &str) -> Option<Function> {
        self.0.get(name).cloned()
    }

    /// The names there are, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|k| &**k)
    }
}

fn all() -> Functions {
    let tables: [&[Entry]; 15] = [
        checksums::TABLE,
        compare::TABLE,
        convert::TABLE,
        encode::TABLE,
        lists::TABLE,
        maps::TABLE,
        math::TABLE,
        merge::TABLE,
        patterns::TABLE,
        paths::TABLE,
        print::TABLE,
        text::TABLE,
        times::TABLE,
        words::TABLE,
        world::TABLE,
    ];
    let mut all = BTreeMap::new();
    let mut add = |name: &str, parameters: &'static str, body: Body| {
        all.insert(Arc::from(name), Function::new(name, parameters, body));
    };
    for (name, parameters, body) in tables.into_iter().flatten() {
        add(name, parameters, Body::Plain(*body));
    }
    for (name, at) in [("and", false), ("or", true)] {
        add(name, "aa*", Body::Stops(at));
    }
    Functions(Arc::new(all))
}

//! How much one template may take. Far above what any real one needs, far below what hurts.

/// Steps of the evaluator, with everything that is included.
pub(super) const STEPS: u64 = 20_000_000;
/// The longest text, in bytes.
pub(super) const TEXT: usize = 16 * 1024 * 1024;
/// The longest list.
pub(super) const ITEMS: usize = 1_000_000;
/// Templates that use each other, `if`s, loops and parentheses in each other, while one runs.
pub(super) const DEPTH: usize = 220;

//! The kfleet binary.

fn main() {}

//! What reports say, as whole texts: each case builds a plan or a rollout and is compared with the file of its name.
//!
//! `KFLEET_BLESS=1 cargo test --test report_cases` writes the files anew; read the difference before you commit it.

#[cfg(test)]
mod codes;
#[cfg(test)]
mod journals;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod rollouts;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod transitions;

//! The binary as a user runs it: exit code, standard output and standard error, on copies of the bundled fleet.

#![cfg(test)]

mod adopted;
mod bed;
mod boots;
mod brake;
mod damaged;
mod doctor;
mod drift;
mod faults;
mod flags;
mod guide;
mod hooks;
mod init;
mod junit;
#[path = "../support/stored.rs"]
mod kept;
mod kops_store;
mod migrate;
mod packages;
mod pages;
mod pictures;
mod pipelines;
mod plans;
mod policies;
mod real;
mod reference;
mod refusals;
mod rehearse;
mod rendering;
mod revisions;
mod rollouts;
mod shards;
mod shell;
mod signals;
mod status;
mod stops;
mod terminal;
mod webhooks;

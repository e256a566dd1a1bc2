//! The Kubernetes side: what every implementation of `NodeApi` has to do, run on the simulated clusters and on the client against an
//! API over HTTP; and what only the client promises.
#![cfg(feature = "kubernetes")]
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod administrator;
mod answers;
mod api;
mod away;
#[path = "../cloud_contract/bench.rs"]
mod bench;
mod beside;
mod cases;
mod client;
mod eviction;
mod hindered;
mod pages;
mod patch;
mod plugins;
mod reads;
mod real;
mod rounds;
mod rows;
mod server;
mod shown;
mod streams;
mod stuck;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod trouble;
mod volumes;
mod watched;
mod whole;

/// Makes one test per case and implementation, so that a failure names both.
macro_rules! contract {
    ($implementation:ident, $fresh:expr, [$($case:ident),* $(,)?]) => {
        mod $implementation {
            $(
                #[tokio::test]
                async fn $case() {
                    let ground = $fresh;
                    crate::cases::$case(&ground).await;
                }
            )*
        }
    };
}

macro_rules! everywhere {
    ($($case:ident),* $(,)?) => {
        contract!(on_the_simulated_cluster, crate::cases::simulated().await, [$($case),*]);
        contract!(on_the_client, crate::cases::real(), [$($case),*]);
    };
}

everywhere!(
    a_look_shows_nodes_with_their_instances,
    a_cordon_is_done_once_and_taken_back_whole,
    a_taint_is_done_once_and_outlives_a_cordon,
    an_old_node_is_closed_once_and_opened_whole,
    a_drain_keeps_to_the_budgets_and_ends,
    what_is_held_is_named_and_goes_by_force_alone,
    a_node_that_is_gone_needs_nothing,
    a_node_that_is_another_instance_is_left_alone,
);

//! What every implementation of `Cloud` and `NodeApi` has to do (`cases`), run on the simulated account and, through the AWS SDK,
//! on moto; and what only the simulated account promises (`world`).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[cfg(test)]
mod bench;
#[cfg(test)]
mod cases;
#[cfg(all(test, feature = "aws"))]
mod moto;
#[cfg(all(test, feature = "aws"))]
#[path = "../support/moto.rs"]
mod support;
#[cfg(test)]
mod world;

/// Makes one test per case and implementation, so that a failure names both.
macro_rules! contract {
    (cloud: [$($case:ident),* $(,)?], nodes: [$($node_case:ident),* $(,)?]) => {
        mod on_the_simulated_account {
            $(
                #[tokio::test]
                async fn $case() {
                    let (cloud, _kept) = crate::bench::quiet_world();
                    super::cases::$case(&cloud).await;
                }
            )*
            $(
                #[tokio::test]
                async fn $node_case() {
                    let (cloud, _kept) = crate::bench::quiet_world();
                    super::cases::$node_case(&cloud).await;
                }
            )*
        }

        #[cfg(feature = "aws")]
        mod on_moto {
            $(
                #[test]
                fn $case() {
                    crate::moto::case(stringify!($case), async |cloud| super::cases::$case(cloud).await);
                }
            )*

            #[test]
            fn balancers_are_found_by_their_tags() {
                crate::moto::case("balancers_are_found_by_their_tags", async |cloud| crate::moto::balancers_are_found_by_their_tags(cloud).await);
            }

            /// A case is shown here, or it is said where.
            #[test]
            fn no_case_is_forgotten() {
                let named: Vec<&str> = crate::moto::NOT_HERE.iter().map(|(name, _)| *name).collect();
                assert_eq!(named, [$(stringify!($node_case)),*]);
            }
        }
    };
}

contract!(
    cloud: [
        created_groups_read_back_equal,
        every_effect_is_done_once,
        neither_expected_nor_wanted_is_moved_and_untouched,
        hooks_that_nobody_read_stay_as_they_are,
        refusals_touch_nothing,
        sizes_move_desired_capacity,
        a_launch_in_a_named_zone_happens_once,
        a_launch_by_zone_takes_one_market,
        desired_capacity_is_reached,
        room_is_what_is_left_beside_what_runs,
        a_detached_instance_runs_on_and_is_replaced,
        ending_with_decrement_is_not_replaced,
        suspended_launch_starts_nothing,
        a_launch_decided_before_launch_was_suspended_does_not_begin,
        activities_come_to_an_end,
        scale_in_ends_the_oldest_version_first,
        scale_in_leaves_what_is_protected,
        instances_run_the_version_pinned_at_their_launch,
        spot_follows_the_distribution,
        zones_are_filled_evenly,
        a_group_goes_when_it_is_empty,
        names_are_unique_in_account_and_region,
        versions_that_are_gone_are_told,
        a_policy_and_a_spot_template_exclude_each_other,
        instances_leave_a_zone_that_was_removed,
        the_warm_pool_serves_first_and_is_filled_again,
    ],
    nodes: [
        a_drain_empties_a_node,
        pods_of_a_node_that_goes_undrained_come_back,
        a_node_that_is_gone_needs_nothing,
    ]
);

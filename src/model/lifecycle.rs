//! Where an instance is in its life, and what that means for capacity, waiting and replacing: one table, asked by everything that decides. Decides nothing.

use serde::{Deserialize, Serialize};

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lifecycle {
    /// Launching, waiting hooks included.
    Pending,
    /// Taking traffic.
    InService,
    /// Set aside by hand.
    Standby,
    /// In the warm pool.
    Warmed,
    /// Taken out of the group by us, still running.
    Detached,
    /// On its way out.
    Terminating,
}

/// What a state of life means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row of a table: each column is a yes or no"
)]
pub struct LifecycleRules {
    /// It is part of the group's desired capacity. Standby is outside of it: `EnterStandby` lowers desired capacity with it, or the
    /// group launches another instance in its place. Source: Auto Scaling user guide, "Temporarily remove instances from your Auto Scaling group".
    pub is_capacity: bool,
    /// It serves, or will by itself: a wait for the group waits for it, and one that is past its time is late. An
    /// instance of a warm pool may wait there for months.
    pub is_awaited: bool,
    /// It can have a Ready node with pods on it.
    pub may_serve: bool,
    /// It is on its way out, and no longer anybody's concern.
    pub is_leaving: bool,
    /// Ended before all others that have to go, as nothing runs on it and a scale-out is served from it. Source: Auto Scaling user
    /// guide, "Warm pools for applications with long boot times".
    pub goes_first: bool,
}

/// A state of which nothing holds: each state says what does.
const NOTHING: LifecycleRules = LifecycleRules {
    is_capacity: false,
    is_awaited: false,
    may_serve: false,
    is_leaving: false,
    goes_first: false,
};

impl Lifecycle {
    /// All of them.
    pub const ALL: [Lifecycle; 6] = [
        Lifecycle::Pending,
        Lifecycle::InService,
        Lifecycle::Standby,
        Lifecycle::Warmed,
        Lifecycle::Detached,
        Lifecycle::Terminating,
    ];

    /// What it means.
    pub const fn rules(self) -> LifecycleRules {
        match self {
            Lifecycle::Pending => LifecycleRules {
                is_capacity: true,
                is_awaited: true,
                ..NOTHING
            },
            Lifecycle::InService => LifecycleRules {
                is_capacity: true,
                is_awaited: true,
                may_serve: true,
                ..NOTHING
            },
            Lifecycle::Standby | Lifecycle::Detached => LifecycleRules {
                may_serve: true,
                ..NOTHING
            },
            Lifecycle::Warmed => LifecycleRules {
                goes_first: true,
                ..NOTHING
            },
            Lifecycle::Terminating => LifecycleRules {
                is_leaving: true,
                ..NOTHING
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn every_state_of_life_has_its_row() {
        let mut table = String::from("state       capacity awaited serves leaving first\n");
        for state in Lifecycle::ALL {
            let line = row(state);
            writeln!(table, "{}", line.trim_end()).unwrap();
        }
        assert_eq!(
            table,
            "\
state       capacity awaited serves leaving first
Pending     yes      yes     -      -       -
InService   yes      yes     yes    -       -
Standby     -        -       yes    -       -
Warmed      -        -       -      -       yes
Detached    -        -       yes    -       -
Terminating -        -       -      yes     -
"
        );
    }

    fn row(state: Lifecycle) -> String {
        let LifecycleRules {
            is_capacity,
            is_awaited,
            may_serve,
            is_leaving,
            goes_first,
        } = state.rules();
        let yes = |yes: bool| if yes { "yes" } else { "-" };
        format!(
            "{:<11} {:<8} {:<7} {:<6} {:<7} {}",
            format!("{state:?}"),
            yes(is_capacity),
            yes(is_awaited),
            yes(may_serve),
            yes(is_leaving),
            yes(goes_first)
        )
    }
}

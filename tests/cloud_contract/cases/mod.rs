//! The cases of the contract, against the traits alone.

mod drains;
mod effects;
mod instances;
mod room;

use kfleet::cloud::Cloud;
use kfleet::model::{Definition, UserData};

pub(crate) use drains::*;
pub(crate) use effects::*;
pub(crate) use instances::*;
pub(crate) use room::*;

use crate::bench::{Bench, definition, new_version};

const CLUSTER: &str = "one.k8s.foo.bar";

/// A group of two, in service, with a second version of its template.
pub(super) async fn two<C: Cloud>(bench: &Bench<'_, C>) -> Definition {
    let wanted = definition(CLUSTER, "nodes", 1, 5);
    bench.created(&wanted, 2).await;
    assert_eq!(
        bench
            .told(&new_version(
                &wanted,
                "ami-2",
                UserData::CarriedFrom(1),
                "second"
            ))
            .await,
        "version 2"
    );
    wanted
}

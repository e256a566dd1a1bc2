//! Names ↔ ids of what exists in an account only: subnets, security groups, target groups, images and their root devices. The one place for both ways.

mod ask;
mod images;
mod known;
mod pairs;

pub(super) use ask::Asking;
pub(super) use known::Names;

//! What a stand-in of the cloud passes on to the account behind it as it is.

/// The questions of `Cloud` that a stand-in asks the world in its field `$world`: all but its clock and what it does.
macro_rules! asks_world {
    ($world:tt) => {
        async fn account(
            &self,
            place: &kfleet::cloud::Place,
        ) -> Result<kfleet::model::AccountId, kfleet::cloud::CloudError> {
            self.$world.account(place).await
        }

        async fn read(
            &self,
            places: &[kfleet::cloud::Place],
        ) -> Result<kfleet::model::Live, kfleet::cloud::CloudError> {
            self.$world.read(places).await
        }

        async fn gone(
            &self,
            place: &kfleet::cloud::Place,
            asked: &kfleet::model::Versions,
        ) -> Result<kfleet::model::Versions, kfleet::cloud::CloudError> {
            self.$world.gone(place, asked).await
        }

        async fn room(
            &self,
            asked: &kfleet::model::RoomQuestion,
        ) -> Result<kfleet::model::RegionRoom, kfleet::cloud::CloudError> {
            self.$world.room(asked).await
        }

        async fn senders(
            &self,
            place: &kfleet::cloud::Place,
            asked: &std::collections::BTreeSet<kfleet::model::InstanceId>,
            own: &std::collections::BTreeSet<String>,
        ) -> Result<kfleet::model::Senders, kfleet::cloud::CloudError> {
            self.$world.senders(place, asked, own).await
        }
    };
}

pub(crate) use asks_world;

//! Manifests of any bytes, under both YAML schemas: compiled, or an error. `cargo fuzz run manifests`
#![no_main]

use kfleet::{desired, kops, yaml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for schema in [yaml::Schema::Core, yaml::Schema::Kops] {
        if let Ok(documents) = yaml::parse(text, schema)
            && let Ok(manifests) = kops::read(&documents)
            && let Ok(definitions) = desired::compile(&manifests)
        {
            let _text = yaml::emit(&desired::print_form(&definitions));
        }
    }
});

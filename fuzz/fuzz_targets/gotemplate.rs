//! A Go template and values of any bytes: printed, or an error. `cargo fuzz run gotemplate templates`
#![no_main]

use kfleet::toolbox::{File, ToolboxInputs, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // What stands behind the first NUL is the values, behind the second a snippet.
    let mut parts = text.splitn(3, '\0');
    let mut file = |path: &str, other: &str| vec![File { path: path.into(), text: parts.next().unwrap_or(other).into() }];
    let inputs = ToolboxInputs {
        templates: file("t", ""),
        values: file("v", "a: 1\nl: [x, y]\nm: {k: v}\n"),
        snippets: file("s", "{{ .a }}"),
        cluster: "c".into(),
        format_yaml: text.len() % 2 == 0,
        ..ToolboxInputs::default()
    };
    let _outcome = render(&inputs, Default::default());
});

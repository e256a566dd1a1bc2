//! The functions that kops adds to Go's and Sprig's, or has otherwise.

use crate::gotemplate::{Functions, Limit, Running, Trouble, Value};

use super::channel::{Channel, NoChannel};

/// Longer than this no text grows by indenting.
const MAX_TEXT: usize = 16 * 1024 * 1024;

/// Go's functions, Sprig's, and those of kops. Without a channel the functions that ask one are errors.
pub fn functions(channel: Option<Channel>) -> Functions {
    let (kubernetes, kops, image) = (channel.clone(), channel.clone(), channel);
    Functions::sprig()
        .with("include", "sm", |running: &mut Running<'_>, a| {
            Ok(Value::text(running.include(a.text(0), a.any(1).clone())?))
        })
        .with("indent", "is", |_, a| indented(a.number(0), a.text(1)))
        .with(
            "ChannelRecommendedKubernetesUpgradeVersion",
            "s",
            move |_, a| asked(kubernetes.as_ref(), |c| c.kubernetes_upgrade(a.text(0))),
        )
        .with(
            "ChannelRecommendedKopsKubernetesVersion",
            "",
            move |_, _| asked(kops.as_ref(), Channel::kops_kubernetes),
        )
        .with("ChannelRecommendedImage", "sss", move |_, a| {
            asked(image.as_ref(), |c| c.image(a.text(0), a.text(1), a.text(2)))
        })
}

fn asked(
    channel: Option<&Channel>,
    ask: impl Fn(&Channel) -> Result<String, NoChannel>,
) -> Result<Value, Trouble> {
    let Some(channel) = channel else {
        return Err("there is no channel here; name the version or the image in the values".into());
    };
    ask(channel)
        .map(Value::text)
        .map_err(|e| Trouble::Said(e.to_string()))
}

/// Every line but the first, and no empty one.
fn indented(count: i64, text: &str) -> Result<Value, Trouble> {
    let width = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let lines = text.matches('\n').count();
    if text.len().saturating_add(lines.saturating_mul(width)) > MAX_TEXT {
        return Err(Trouble::TooMuch(Limit::Size));
    }
    let pad = " ".repeat(if lines > 0 { width } else { 0 });
    let mut out = String::with_capacity(text.len() + lines * pad.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
            if !line.is_empty() {
                out.push_str(&pad);
            }
        }
        out.push_str(line);
    }
    Ok(Value::text(out))
}

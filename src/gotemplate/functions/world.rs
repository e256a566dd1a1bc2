//! The functions that ask the world: the environment where the caller hands it in, and those that cannot work in a rendering that is the same every time.

use super::super::call::{CallArguments, Entry, Result, Running};
use super::super::value::Value;
use super::bounds::sized;

pub(super) const TABLE: &[Entry] = &[
    ("env", "s", |running, a| {
        Ok(Value::text(variable(running, a.text(0))?))
    }),
    ("expandenv", "s", expanded),
    ("getHostByName", "s", network),
    ("randAlphaNum", "i", chance),
    ("randAlpha", "i", chance),
    ("randAscii", "i", chance),
    ("randNumeric", "i", chance),
    ("randBytes", "i", chance),
    ("randInt", "ii", chance),
    ("shuffle", "s", chance),
    ("uuidv4", "", chance),
    ("bcrypt", "s", chance),
    ("htpasswd", "ss", chance),
    ("genPrivateKey", "s", chance),
    ("genCA", "si", chance),
    ("genCAWithKey", "sis", chance),
    ("genSelfSignedCert", "saai", chance),
    ("genSelfSignedCertWithKey", "saais", chance),
    ("genSignedCert", "saaia", chance),
    ("genSignedCertWithKey", "saaias", chance),
    ("encryptAES", "ss", chance),
    ("decryptAES", "ss", secrets),
    ("derivePassword", "issss", secrets),
    ("buildCustomCert", "ss", secrets),
];

fn variable(
    running: &Running<'_>,
    name: &str,
) -> std::result::Result<String, super::super::call::Trouble> {
    match running.world().environment {
        Some(environment) => Ok(environment(name).unwrap_or_default()),
        None => Err("there is no environment here: a rendering depends on its inputs alone".into()),
    }
}

/// `$name` and `${name}`.
fn expanded(running: &mut Running<'_>, a: CallArguments<'_>) -> Result {
    let mut out = String::new();
    let mut rest = a.text(0);
    while let Some(at) = rest.find('$') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        let (name, after) = match rest.strip_prefix('{') {
            Some(inside) => inside.split_once('}').unwrap_or((inside, "")),
            None => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                rest.split_at(end.unwrap_or(rest.len()))
            }
        };
        if name.is_empty() {
            out.push('$');
        } else {
            out.push_str(&variable(running, name)?);
        }
        sized(out.len())?;
        rest = after;
    }
    out.push_str(rest);
    Ok(Value::text(out))
}

fn network(_: &mut Running<'_>, _: CallArguments<'_>) -> Result {
    Err("there is no network here: a rendering depends on its inputs alone".into())
}

fn chance(_: &mut Running<'_>, _: CallArguments<'_>) -> Result {
    Err("nothing here is random: a rendering depends on its inputs alone".into())
}

fn secrets(_: &mut Running<'_>, _: CallArguments<'_>) -> Result {
    Err("kfleet has no cryptography for templates: put the result into the values".into())
}

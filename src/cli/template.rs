//! `kfleet template`: what `kops toolbox template` prints, from the same flags, with a word about what is lost on the way. Reads and writes files.

use std::fs;
use std::path::{Path, PathBuf};

use super::Exit;
use super::args::{Arguments, TemplateArguments};
use super::failure::Failure;
use super::output::Output;
use crate::gotemplate::TemplateWorld;
use crate::render::go_fault;
use crate::toolbox::{self, Channel, File, Loss, NoChannel, ToolboxError, ToolboxInputs};
use crate::yaml;

pub(super) fn run(
    arguments: &Arguments,
    command: &TemplateArguments,
    output: &Output,
) -> Result<Exit, Failure> {
    let inputs = inputs(arguments, command)?;
    if let Some(key) = command.config_value.as_deref().filter(|k| !k.is_empty()) {
        let value = toolbox::config_value(&inputs, key).map_err(failure)?;
        output.result(&format!("{}\n", value.as_deref().unwrap_or("null")))?;
        return Ok(Exit::Good);
    }
    let environment = |name: &str| std::env::var(name).ok();
    let world = TemplateWorld {
        environment: Some(&environment),
        now: Some(jiff::Timestamp::now().as_second()),
    };
    let outcome = toolbox::render(&inputs, world).map_err(failure)?;
    tell_losses(&outcome.losses, command.strict, output)?;
    match &command.out {
        Some(path) => write(&expanded(path), &outcome.text)?,
        None => output.bytes(&unescaped(&outcome.text))?,
    }
    Ok(Exit::Good)
}

/// What is lost on the way: a warning, an error under `--strict`.
fn tell_losses(losses: &[Loss], strict: bool, output: &Output) -> Result<(), Failure> {
    if strict && !losses.is_empty() {
        let lost: Vec<String> = losses.iter().map(told).collect();
        return Err(Failure::new(lost.join("\nerror: "))
            .hint("nothing was written; without --strict this is a warning, as the original loses it without a word"));
    }
    for loss in losses {
        output.story(&format!("warning: {}", told(loss)));
    }
    Ok(())
}

fn inputs(arguments: &Arguments, command: &TemplateArguments) -> Result<ToolboxInputs, Failure> {
    Ok(ToolboxInputs {
        cluster: cluster_name(command)?,
        templates: files(&arguments.directory, &command.template, "template")?,
        values: files(&arguments.directory, &command.values, "values")?,
        snippets: files(&arguments.directory, &command.snippets, "snippets")?,
        set: command.set.clone(),
        set_string: command.set_string.clone(),
        fail_on_missing: command.fail_on_missing,
        format_yaml: command.format_yaml,
        channel: channel(&command.channel)?,
    })
}

/// Without a name there is no run, in the original too.
fn cluster_name(command: &TemplateArguments) -> Result<String, Failure> {
    let given = [&command.name, &command.cluster].into_iter().flatten();
    let found = given
        .cloned()
        .chain(std::env::var("KOPS_CLUSTER_NAME"))
        .find(|n| !n.is_empty());
    found.or_else(current_context).ok_or_else(|| {
        Failure::new("--name is required")
            .hint("the cluster's name, as an argument, with --name, in KOPS_CLUSTER_NAME or as the current context of the kubeconfig")
    })
}

fn current_context() -> Option<String> {
    let listed = std::env::var("KUBECONFIG").ok().filter(|v| !v.is_empty());
    let paths: Vec<PathBuf> = match &listed {
        Some(list) => std::env::split_paths(list).collect(),
        None => vec![PathBuf::from(std::env::var_os("HOME")?).join(".kube/config")],
    };
    paths.iter().find_map(|path| {
        let read = yaml::read_lenient(&fs::read_to_string(path).ok()?).ok()?;
        let name = read.value.get("current-context")?.as_str()?;
        (!name.is_empty()).then(|| name.to_owned())
    })
}

fn channel(name: &str) -> Result<Option<Channel>, Failure> {
    let broken = |e: NoChannel| Failure::new(format!("channel {name}: {e}"));
    match name {
        "none" => Ok(Some(Channel::none())),
        "stable" => Channel::stable().map(Some).map_err(broken),
        _ => {
            let Some(path) = name.strip_prefix("file://") else {
                return Err(Failure::new(format!(
                    "channel {name}: kfleet asks no network for a channel"
                ))
                .hint(
                    "`stable` is built in, `none` recommends nothing, `file:///path` reads a file",
                ));
            };
            let text = fs::read_to_string(path)
                .map_err(|e| Failure::new(format!("cannot read {path}: {e}")))?;
            Channel::parse(&text).map(Some).map_err(broken)
        }
    }
}

fn expanded(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => PathBuf::from(home).join(rest),
        (Ok(_) | Err(_), _) => path.to_owned(),
    }
}

/// Every file of the paths given, folders walked as the original walks them: everything, in the order of bytes.
pub(super) fn files(directory: &Path, paths: &[PathBuf], what: &str) -> Result<Vec<File>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let path = directory.join(expanded(path));
        let told = path.strip_prefix("./").unwrap_or(&path).to_owned();
        walk(&told, 0, &mut found).map_err(|e| {
            Failure::new(format!(
                "unable to expand the {what}: {}: {e}",
                told.display()
            ))
        })?;
    }
    let read = |path: PathBuf| {
        let bytes = fs::read(&path)
            .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
        Ok(File {
            path: path.display().to_string(),
            text: escaped(bytes),
        })
    };
    found.into_iter().map(read).collect()
}

/// Folders in each other deeper than this are a link that leads back.
const MAX_DEPTH: usize = 64;

fn walk(path: &Path, depth: usize, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        into.push(path.to_owned());
        return Ok(());
    }
    if depth > MAX_DEPTH {
        return Err(std::io::Error::other("folders too deep in each other"));
    }
    let mut names = fs::read_dir(path)?
        .map(|entry| entry.map(|e| e.file_name()))
        .collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let inner = path.join(name);
        // A link to a folder is not followed below the path itself.
        if depth > 0 || fs::symlink_metadata(&inner)?.is_dir() || !fs::metadata(&inner)?.is_dir() {
            walk(&inner, depth + 1, into)?;
        }
    }
    Ok(())
}

/// Bytes that are no UTF-8 pass through a template as they are: each as a character that no text has.
const BYTES: u32 = 0x0010_ff00;

fn escaped(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| {
        let mut text = String::new();
        for chunk in e.as_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(
                chunk
                    .invalid()
                    .iter()
                    .filter_map(|b| char::from_u32(BYTES + u32::from(*b))),
            );
        }
        text
    })
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c)
            .checked_sub(BYTES)
            .and_then(|b| u8::try_from(b).ok())
        {
            Some(byte) if byte >= 0x80 => bytes.push(byte),
            Some(_) | None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let error =
        |e: std::io::Error| Failure::new(format!("unable to open file: {}: {e}", path.display()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o660);
    let mut file = options.open(path).map_err(error)?;
    std::io::Write::write_all(&mut file, &unescaped(text)).map_err(error)
}

pub(super) fn told(loss: &Loss) -> String {
    match loss {
        Loss::SnippetTwice { name, lost, kept } => {
            format!("the snippet {name} is there twice: {kept} is used, {lost} is not")
        }
        Loss::KeyTwice { file, key, pos } => {
            format!("{file}:{pos}: the key {key} stands twice in this mapping; the last one counts")
        }
        Loss::SecondDocument { file, pos } => {
            format!("{file}:{pos}: a second document in a file of values is not read")
        }
        Loss::Unseparated { file } => format!(
            "{file}: a document is dropped: what separates it from the one before is not exactly a line `---`"
        ),
        Loss::ClusterName => {
            "the values' clusterName is not a text, and is replaced by the name given".into()
        }
        Loss::Glued { file } => {
            format!(
                "{file}: the output does not end in a line break, so the next `---` is glued to its last line"
            )
        }
        Loss::SetDropped { argument } => {
            format!(
                "--set {argument}: a key of a new list item at the end of the argument is dropped; write another pair behind it"
            )
        }
        Loss::SetPrinted { key } => format!(
            "--set {key}: templates print the value otherwise than it is written; --set-string keeps its text"
        ),
        Loss::SetAmbiguous { key, ambiguity } => format!(
            "--set {key}: without quotes the value {}; quote it in the template, and give it with --set-string",
            ambiguity.reason()
        ),
    }
}

pub(super) fn failure(error: ToolboxError) -> Failure {
    match error {
        ToolboxError::Values { file, error } => Failure::new(format!(
            "unable decode the configuration file: {file}:{error}"
        )),
        ToolboxError::NoMapping { file } => {
            Failure::new(format!("{file}: a file of values holds one mapping"))
        }
        ToolboxError::Set { argument, error } => {
            Failure::new(format!("failed parsing --set data: {argument}: {error}"))
        }
        ToolboxError::SnippetName { file } => Failure::new(format!(
            "{file}: snippet cannot have the same name as the template: mainTemplate"
        )),
        ToolboxError::Template(fault) => {
            let fault = go_fault(&fault, None);
            let hint = fault.hint.clone();
            Failure::new(fault.to_string()).hints(hint)
        }
        ToolboxError::Document { file, error, cut } => {
            let hint = cut.then_some("a line of it ends in `---`, and --format-yaml cuts there, inside of a block scalar too; leave --format-yaml out");
            Failure::new(format!(
                "{file}: a rendered document cannot be formatted: line {error}"
            ))
            .hints(hint.map(str::to_owned))
        }
    }
}

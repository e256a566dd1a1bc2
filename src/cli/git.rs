//! The fleet's files as a git revision has them, in a folder that goes away again. Reads git, writes nothing into it.

use std::fs;
use std::io::{BufReader, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::failure::Failure;
use crate::fleet::closest;

/// What of a fleet decides what is rendered.
const PATHS: [&str; 5] = ["fleet.yaml", "clusters", "vars", "templates", "snippets"];

/// A revision that exists.
#[derive(Clone, Debug)]
pub(super) struct GitRevision {
    /// As it was named.
    name: String,
    commit: String,
}

impl GitRevision {
    /// `main (1a2b3c4d5e6f)`.
    pub(super) fn label(&self) -> String {
        let short = self.commit.get(..12).unwrap_or(&self.commit);
        if self.commit.starts_with(&self.name) {
            short.to_owned()
        } else {
            format!("{} ({short})", self.name)
        }
    }
}

/// The repository that a folder is in.
#[derive(Debug)]
pub(super) struct Repository<'a> {
    folder: &'a Path,
}

impl<'a> Repository<'a> {
    pub(super) fn of(folder: &'a Path) -> Result<Self, Failure> {
        let repository = Repository { folder };
        if !folder.is_dir() {
            return Err(Failure::new(format!(
                "{}: no such folder",
                folder.display()
            )));
        }
        match repository.ask(&["rev-parse", "--show-toplevel"])? {
            Ok(_) => Ok(repository),
            // The words of git, when it is another reason: a repository of another owner, say.
            Err(why) if !why.contains("not a git repository") => Err(Failure::new(format!(
                "{}: git says: {why}",
                folder.display()
            ))),
            Err(_) => Err(
                Failure::new(format!("{}: not in a git repository", folder.display())).hint(
                    "`diff` compares revisions of git; `git init` and a first commit make one",
                ),
            ),
        }
    }

    /// The commit that `name` means.
    pub(super) fn revision(&self, name: &str) -> Result<GitRevision, Failure> {
        let unknown = || Failure::new(format!("git knows no revision `{name}`"));
        // git would take it for an option, and no name of git begins so.
        if name.is_empty() || name.starts_with('-') || name.contains('\0') {
            return Err(unknown());
        }
        if let Ok(commit) = self.ask(&[
            "rev-parse",
            "--verify",
            "--quiet",
            &format!("{name}^{{commit}}"),
        ])? {
            return Ok(GitRevision {
                name: name.to_owned(),
                commit,
            });
        }
        let names = self
            .ask(&["for-each-ref", "--format=%(refname:short)"])?
            .unwrap_or_default();
        let shallow = self
            .ask(&["rev-parse", "--is-shallow-repository"])?
            .is_ok_and(|answer| answer == "true");
        let near = closest(name, names.lines()).map(|near| format!("did you mean `{near}`?"));
        let fetch = shallow.then(|| {
            "this is a shallow clone: `git fetch --unshallow` brings what is missing".to_owned()
        });
        Err(unknown().hints(near).hints(fetch))
    }

    /// The files of the fleet at a revision.
    pub(super) fn checkout(&self, revision: &GitRevision) -> Result<Checkout, Failure> {
        let checkout = Checkout::new()?;
        let mut arguments = vec!["ls-tree", "-r", "-z", &revision.commit, "--"];
        arguments.extend(PATHS);
        let listing = self.ask(&arguments)?.map_err(|why| {
            Failure::new(format!("git does not list {}: {why}", revision.label()))
        })?;
        let mut files = Vec::new();
        for entry in listing.split('\0').filter(|e| !e.is_empty()) {
            let Some((meta, path)) = entry.split_once('\t') else {
                continue;
            };
            let mut meta = meta.split(' ');
            let (mode, object) = (
                meta.next().unwrap_or_default(),
                meta.nth(1).unwrap_or_default(),
            );
            files.push(Entry {
                link: mode == "120000",
                submodule: mode == "160000",
                object: object.to_owned(),
                path: path.to_owned(),
            });
        }
        self.write(&files, &checkout, revision)?;
        Ok(checkout)
    }

    /// Every object through one process of git, byte for byte as it was committed.
    fn write(
        &self,
        files: &[Entry],
        checkout: &Checkout,
        revision: &GitRevision,
    ) -> Result<(), Failure> {
        let broken = |e: std::io::Error| {
            Failure::new(format!("cannot read {} from git: {e}", revision.label()))
        };
        let mut child = self.batch().map_err(broken)?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::new("git has no standard input and output"));
        };
        let mut output = BufReader::new(output);
        for file in files {
            file.refuse(revision)?;
            writeln!(input, "{}", file.object)
                .and_then(|()| input.flush())
                .map_err(broken)?;
            let bytes = object(&mut output).map_err(broken)?;
            checkout.put(file, &bytes, revision)?;
        }
        drop(input);
        child.wait().map_err(broken)?;
        Ok(())
    }

    /// A process that is given names of objects and answers with their bytes.
    fn batch(&self) -> std::io::Result<Child> {
        self.command(&["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
    }

    /// The files of the fleet, and `also`, that are not as committed, as `git status --porcelain -z` lists them. Takes no lock of git's.
    pub(super) fn changed(&self, also: &[&str]) -> Result<Result<String, String>, Failure> {
        let mut arguments = vec!["--no-optional-locks", "status", "--porcelain=v1", "-z"];
        arguments.extend(["--untracked-files=all", "--"]);
        arguments.extend(PATHS);
        arguments.push("rendered");
        arguments.extend(also);
        self.ask(&arguments)
    }

    /// What git prints, without the last line break; or what it complains about.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<Result<String, String>, Failure> {
        let output = self.command(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|e| {
            Failure::new(format!("cannot run git: {e}")).hint("put git into the PATH")
        })?;
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes)
                .trim_end_matches('\n')
                .to_owned()
        };
        Ok(if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        // Its messages are looked at, so they have to be in one language.
        command
            .arg("-C")
            .arg(self.folder)
            .args(arguments)
            .env("LC_ALL", "C");
        command
    }
}

/// The answer of `git cat-file --batch` about one object.
fn object(output: &mut impl std::io::BufRead) -> std::io::Result<Vec<u8>> {
    let mut header = String::new();
    output.read_line(&mut header)?;
    let size = header
        .trim_end()
        .rsplit(' ')
        .next()
        .and_then(|n| n.parse::<u64>().ok());
    let Some(size) = size else {
        return Err(std::io::Error::other(format!(
            "git says: {}",
            header.trim_end()
        )));
    };
    let mut bytes = Vec::new();
    output.by_ref().take(size).read_to_end(&mut bytes)?;
    // Each object ends in a line break that is not its own.
    output.by_ref().take(1).read_to_end(&mut Vec::new())?;
    Ok(bytes)
}

/// A file of a revision.
#[derive(Debug)]
struct Entry {
    link: bool,
    submodule: bool,
    object: String,
    /// Relative to the fleet.
    path: String,
}

impl Entry {
    fn refuse(&self, revision: &GitRevision) -> Result<(), Failure> {
        if self.submodule {
            return Err(Failure::new(format!(
                "{} at {} is a submodule, which `diff` does not read",
                self.path,
                revision.label()
            )));
        }
        Ok(())
    }
}

/// A folder with the files of a revision, removed when it is dropped.
#[derive(Debug)]
pub(super) struct Checkout {
    folder: PathBuf,
}

impl Checkout {
    fn new() -> Result<Self, Failure> {
        let base = std::env::temp_dir();
        for n in 0..1_000_u32 {
            let folder = base.join(format!("kfleet-diff-{}-{n}", std::process::id()));
            match private(&folder) {
                Ok(()) => return Ok(Checkout { folder }),
                // Left behind by a process that was killed, or that of another process.
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    return Err(Failure::new(format!(
                        "cannot make a folder in {}: {e}",
                        base.display()
                    )));
                }
            }
        }
        Err(Failure::new(format!(
            "{} is full of folders of other runs",
            base.display()
        )))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn put(&self, file: &Entry, bytes: &[u8], revision: &GitRevision) -> Result<(), Failure> {
        let error = |e: std::io::Error| {
            Failure::new(format!(
                "cannot write {} of {}: {e}",
                file.path,
                revision.label()
            ))
        };
        let path = self.folder.join(&file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(error)?;
        }
        if !file.link {
            return fs::write(&path, bytes).map_err(error);
        }
        let target = String::from_utf8_lossy(bytes).into_owned();
        if !stays_inside(Path::new(&file.path), Path::new(&target)) {
            return Err(Failure::new(format!(
                "{} at {} is a link that leads out of the fleet, which `diff` does not follow",
                file.path,
                revision.label()
            )));
        }
        link(Path::new(&target), &path).map_err(error)
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        // The system clears its temporary files itself, should this not work.
        let _left = fs::remove_dir_all(&self.folder);
    }
}

/// Whether a link at `path` leads to something below the same root, step by step.
fn stays_inside(path: &Path, target: &Path) -> bool {
    let mut depth = path.components().count().saturating_sub(1);
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

#[cfg(unix)]
fn private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn private(folder: &Path) -> std::io::Result<()> {
    fs::create_dir(folder)
}

#[cfg(unix)]
fn link(target: &Path, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn link(_target: &Path, _path: &Path) -> std::io::Result<()> {
    Err(std::io::Error::other("links are not supported here"))
}

/// The commit that is checked out there; none where git does not say.
pub(super) fn head(folder: &Path) -> Option<String> {
    let output = std::process::Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["rev-parse", "--verify", "--quiet", "HEAD"])
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_inside_the_fleet_only() {
        for (path, target, inside) in [
            ("vars/a.yaml", "b.yaml", true),
            ("vars/a.yaml", "../snippets/b", true),
            ("vars/a.yaml", "./x/../b", true),
            ("vars/a.yaml", "../../b", false),
            ("vars/a.yaml", "../vars/../../b", false),
            ("vars/a.yaml", "/etc/passwd", false),
        ] {
            assert_eq!(
                stays_inside(Path::new(path), Path::new(target)),
                inside,
                "{path} -> {target}"
            );
        }
    }
}

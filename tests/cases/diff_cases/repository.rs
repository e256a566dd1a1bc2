//! A git repository in a temporary folder, and kfleet run in it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The bundled fleet below `fleet/`, committed as `main`.
pub(crate) struct Repository {
    dir: tempfile::TempDir,
    temporary: tempfile::TempDir,
}

impl Repository {
    pub(crate) fn of_bundled_fleet() -> Self {
        let repository = Repository {
            dir: tempfile::tempdir().unwrap(),
            temporary: tempfile::tempdir().unwrap(),
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for path in [
            "fleet.yaml",
            "clusters",
            "vars",
            "templates",
            "snippets",
            "tools",
        ] {
            copy(&root.join(path), &repository.fleet().join(path));
        }
        repository.git(&["init", "-q", "-b", "main", "."]);
        repository.commit("one");
        repository
    }

    pub(crate) fn fleet(&self) -> PathBuf {
        self.dir.path().join("fleet")
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .arg("-C")
            .arg(self.dir.path())
            .args([
                "-c",
                "user.name=test",
                "-c",
                "user.email=test@example.com",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.fleet().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.fleet().join(file), text).unwrap();
    }

    pub(crate) fn link(&self, target: &str, file: &str) {
        std::os::unix::fs::symlink(target, self.fleet().join(file)).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.fleet().join(file)).unwrap();
    }

    pub(crate) fn replace(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} has no `{from}`");
        self.write(file, &text.replace(from, to));
    }

    /// Exit code, output and errors of `kfleet diff`; commits, which differ from run to run, are named COMMIT.
    pub(crate) fn diff(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kfleet"));
        command
            .arg("-C")
            .arg(self.fleet())
            .arg("diff")
            .args(arguments)
            .env("TMPDIR", self.temporary.path());
        let (code, out, err) = run(command);
        let commits = self.git(&["rev-list", "--all"]);
        let named = |text: String| {
            commits
                .lines()
                .fold(text, |text, commit| text.replace(&commit[..12], "COMMIT"))
        };
        (code, named(out), named(err))
    }

    /// What is still in the folder for temporary files.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.temporary.path()).unwrap();
        entries
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }
}

pub(crate) fn kfleet(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kfleet"));
    command.arg("-C").arg(folder).args(arguments);
    run(command)
}

fn run(mut command: Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    if from.is_dir() {
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::copy(from, to).unwrap();
    }
}

/// Compares with the file of that name beside this one.
pub(crate) fn expect(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/diff_cases")
        .join(name);
    if std::env::var_os("KFLEET_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == text, "{name} is now:\n{text}");
}

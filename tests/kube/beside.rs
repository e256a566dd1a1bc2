//! Programs of python3 that run beside a test, and certificates for them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A CA, a server's certificate and a client's.
const CERTIFICATES: &str = r#"set -e; cd "$1"
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca -addext basicConstraints=critical,CA:TRUE
for who in server client; do
  openssl req -newkey rsa:2048 -nodes -keyout $who.key -out $who.csr -subj /CN=$who
  printf 'subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n' > $who.ext
  openssl x509 -req -in $who.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out $who.crt -days 2 -extfile $who.ext
done"#;

/// A program beside the test, which ends with it.
pub(crate) struct Running {
    child: Child,
    said: BufReader<ChildStdout>,
    pub(crate) port: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    pub(crate) fn start(script: &str, arguments: &[&str]) -> Running {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        let mut child = Command::new("python3")
            .arg(script)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        said.read_line(&mut port).unwrap();
        Running {
            child,
            said,
            port: port.trim().to_owned(),
        }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

pub(crate) fn certificates(dir: &Path) -> bool {
    let tool = |name: &str, argument: &str| {
        Command::new(name)
            .arg(argument)
            .output()
            .is_ok_and(|o| o.status.success())
    };
    if !tool("python3", "--version") || !tool("openssl", "version") {
        std::io::stderr()
            .write_all(b"skipped: python3 or openssl is missing\n")
            .unwrap();
        return false;
    }
    let made = Command::new("sh")
        .args(["-c", CERTIFICATES, "sh"])
        .arg(dir)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    true
}

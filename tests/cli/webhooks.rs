//! Webhooks that are told of rollouts and drift, through the binary, beside a server on loopback that answers as it is ordered.
#![cfg(feature = "http")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bed::{Bed, Said, assert_same};

/// What the server answers, in order; the last for ever.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Status(u16),
    /// With a text, which may repeat where it was asked.
    Text(u16, &'static str),
    After(Duration, u16),
    /// Takes the message and says nothing.
    Hang,
    /// Closes the connection.
    Close,
}

/// A secret that stands in the address, as in those of chat services.
const SECRET: &str = "T0SECRET";

struct Hook {
    address: String,
    heard: Arc<Mutex<Vec<Value>>>,
    asked: Arc<Mutex<usize>>,
}

impl Hook {
    fn new(answers: &[Answer]) -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!(
            "http://{}/services/{SECRET}",
            listener.local_addr().unwrap()
        );
        let hook = Hook {
            address,
            heard: Arc::default(),
            asked: Arc::default(),
        };
        let (heard, asked, answers) = (
            Arc::clone(&hook.heard),
            Arc::clone(&hook.asked),
            answers.to_vec(),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let nth = {
                    let mut asked = asked.lock().unwrap();
                    *asked += 1;
                    *asked - 1
                };
                let answer = *answers.get(nth).or(answers.last()).unwrap();
                let heard = Arc::clone(&heard);
                std::thread::spawn(move || serve(stream.unwrap(), answer, &heard));
            }
        });
        hook
    }

    fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    fn events(&self) -> Vec<String> {
        let of = |body: &Value| body["event"].as_str().unwrap_or("?").to_owned();
        self.heard().iter().map(of).collect()
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

fn serve(stream: TcpStream, answer: Answer, heard: &Mutex<Vec<Value>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let say = |status: u16, said: &str| {
        if status < 300 {
            heard
                .lock()
                .unwrap()
                .push(serde_json::from_slice(&body).unwrap());
        }
        let text = format!(
            "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{said}",
            said.len()
        );
        // Who asked may have gone.
        let _gone = (&stream).write_all(text.as_bytes());
    };
    match answer {
        Answer::Status(status) => say(status, ""),
        Answer::Text(status, said) => say(status, said),
        Answer::After(wait, status) => {
            std::thread::sleep(wait);
            say(status, "");
        }
        Answer::Hang => std::thread::sleep(Duration::from_secs(120)),
        Answer::Close => {}
    }
}

/// A built fleet in which prod has one change, and a rule.
fn bed(rule: &str) -> Bed {
    let bed = Bed::built();
    bed.change("vars/prod-acme.k8s.foo.bar.yaml", "max: 80", "max: 90");
    let fleet = bed.read("fleet.yaml");
    bed.write("fleet.yaml", &format!("{fleet}\nnotify:\n  - {rule}\n"));
    bed
}

const JSON: &str = "{name: oncall, url: {env: HOOK}, form: json, timeout: 1s}";

fn run(bed: &Bed, hook: &str, words: &str) -> Said {
    let words: Vec<&str> = words.split_whitespace().collect();
    let output = bed.command(&words).env("HOOK", hook).output().unwrap();
    let said = Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    assert!(
        !said.err.contains(SECRET) && !said.out.contains(SECRET),
        "{said:?}"
    );
    said
}

/// The address is nowhere in the store.
fn keeps_the_secret(bed: &Bed) {
    for (path, bytes) in bed.tree() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(SECRET), "{}", path.display());
    }
}

#[test]
fn each_thing_to_know_is_told_once() {
    let bed = bed(JSON);
    let hook = Hook::new(&[Answer::Status(200)]);
    let said = run(&bed, &hook.address, "rollout start --yes").ends(3);
    let told = hook.heard();
    assert_eq!(hook.events(), ["waits-for-approval"], "{said:?}");
    let next = told[0]["next"].as_str().unwrap();
    assert!(
        next.starts_with("kfleet rollout approve prod --plan "),
        "{next}"
    );
    assert_eq!(
        (&told[0]["stage"], &told[0]["cloud"]),
        (&"prod".into(), &"local".into())
    );
    run(&bed, &hook.address, next.strip_prefix("kfleet ").unwrap()).ends(0);
    run(&bed, &hook.address, "rollout resume").ends(0);
    assert_eq!(hook.events(), ["waits-for-approval", "finished"]);
    run(&bed, &hook.address, "rollout resume").ends(0);
    assert_eq!(hook.asked(), 2);
    keeps_the_secret(&bed);
}

#[test]
fn a_webhook_that_is_away_stops_nothing_and_is_told_later() {
    let bed = bed(JSON);
    let begun = Instant::now();
    // Nobody listens there.
    let nowhere = format!("http://127.0.0.1:9/{SECRET}");
    let said = run(&bed, &nowhere, "rollout start --auto-approve").ends(0);
    assert!(
        said.err
            .contains("1 message not delivered: it cannot be reached"),
        "{}",
        said.err
    );
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    let hook = Hook::new(&[Answer::Status(200)]);
    run(&bed, &hook.address, "rollout resume").ends(0);
    assert_eq!(hook.events(), ["finished"]);
    run(&bed, &hook.address, "rollout resume").ends(0);
    assert_eq!(hook.asked(), 1);
    keeps_the_secret(&bed);
}

#[test]
fn one_that_hangs_or_is_slow_or_breaks_off_is_asked_again() {
    let bed = bed(JSON);
    let slow = Answer::After(Duration::from_secs(3), 200);
    let hook = Hook::new(&[
        Answer::Hang,
        slow,
        Answer::Close,
        Answer::Status(503),
        Answer::Status(204),
    ]);
    let said = run(&bed, &hook.address, "rollout start --auto-approve").ends(0);
    assert!(!said.err.contains("not delivered"), "{}", said.err);
    // The slow answer came too late to be known: at least once.
    assert_eq!(hook.asked(), 5);
    assert_eq!(hook.events().last().unwrap(), "finished");
}

#[test]
fn one_that_only_hangs_is_waited_for_ten_seconds() {
    let bed = bed(JSON);
    let hook = Hook::new(&[Answer::Hang]);
    let said = run(&bed, &hook.address, "rollout start --auto-approve").ends(0);
    assert!(
        said.err
            .contains("not delivered: it does not answer in time"),
        "{}",
        said.err
    );
    let begun = Instant::now();
    run(&bed, &hook.address, "rollout resume").ends(0);
    let took = begun.elapsed();
    assert!(
        (Duration::from_secs(8)..Duration::from_secs(30)).contains(&took),
        "{took:?}"
    );
}

#[test]
fn what_is_refused_is_not_sent_again_by_the_same_process() {
    let bed = bed(JSON);
    let hook = Hook::new(&[Answer::Status(404)]);
    let said = run(&bed, &hook.address, "rollout start --auto-approve").ends(0);
    assert!(
        said.err.contains("not delivered: it answers 404"),
        "{}",
        said.err
    );
    assert_eq!(hook.asked(), 1);
    let hook = Hook::new(&[Answer::Status(302)]);
    run(&bed, &hook.address, "rollout resume").ends(0);
    assert_eq!(hook.asked(), 1, "a redirect is not followed");
}

#[test]
fn what_a_killed_process_had_not_told_is_told() {
    let bed = bed(JSON);
    let hook = Hook::new(&[Answer::Hang]);
    let words = ["rollout", "start", "--auto-approve"];
    let mut child = bed
        .command(&words)
        .env("HOOK", &hook.address)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while hook.asked() == 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "nothing was sent"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let hook = Hook::new(&[Answer::Status(200)]);
    run(&bed, &hook.address, "rollout resume").ends(0);
    assert_eq!(hook.events(), ["finished"]);
}

#[test]
fn a_rule_without_an_address_is_said_and_stops_nothing() {
    let bed = bed(JSON);
    let said = bed.run("rollout start --auto-approve").ends(0);
    let warning =
        "warning: notify rule `oncall` tells nobody: the environment variable HOOK is not set";
    assert!(said.err.contains(warning), "{}", said.err);
    let said = run(&bed, &format!("ftp://{SECRET}"), "rollout resume").ends(0);
    assert!(
        said.err.contains("does not hold an http or https address"),
        "{}",
        said.err
    );
}

#[test]
fn a_rule_is_told_what_it_asks_for() {
    let bed = bed("{name: a, url: {env: HOOK}, events: [finished, drift], stages: [staging]}");
    let hook = Hook::new(&[Answer::Status(200)]);
    run(&bed, &hook.address, "rollout start --yes").ends(3);
    assert_eq!(hook.asked(), 0, "prod is not its stage");
    run(&bed, &hook.address, "rollout abort").ends(0);
    assert_eq!(hook.asked(), 0, "an abort is not among its events");
}

#[test]
fn an_address_in_the_file_is_refused_and_not_shown() {
    let bed = bed(&format!(
        "{{name: a, url: \"https://chat.example.com/{SECRET}\"}}"
    ));
    let said = run(&bed, "", "plan").refuses(&["fleet.yaml", "notify `a`", "is a secret"]);
    assert!(
        said.err.contains("url: {env: KFLEET_SLACK_URL}"),
        "{}",
        said.err
    );
}

#[test]
fn a_webhook_can_be_tried() {
    let bed = Bed::new();
    let fleet = bed.read("fleet.yaml");
    let rules = "\nnotify:\n  - {name: oncall, url: {env: HOOK}, form: json, timeout: 1s}\n  \
                 - {name: chat, url: {env: HOOK}, events: [stuck, drift], stages: [prod]}\n";
    bed.write("fleet.yaml", &format!("{fleet}{rules}"));
    let listed = run(&bed, "", "notify").ends(0).out;
    assert_eq!(
        listed,
        "oncall (json): everything; HOOK is not set: nobody is told\n\
         chat (slack): stuck: a person must act, drift of stage prod; HOOK is not set: nobody is told\n"
    );

    let hook = Hook::new(&[Answer::Text(200, "ok")]);
    let before = bed.tree();
    let said = run(&bed, &hook.address, "notify --test oncall --test chat").ends(0);
    assert_eq!(
        said.out,
        "oncall: taken, it answers 200: ok\nchat: taken, it answers 200: ok\n"
    );
    assert_same(&before, &bed.tree());
    let heard = hook.heard();
    assert_eq!(heard[0]["event"], "test");
    for message in [&heard[0]["message"], &heard[1]["text"]] {
        let message = message.as_str().unwrap();
        assert!(message.contains("a test of notify rule `"), "{message}");
        assert!(message.contains("nothing has happened"), "{message}");
    }
}

#[test]
fn a_try_that_is_not_taken_is_an_error() {
    let bed = Bed::new();
    let fleet = bed.read("fleet.yaml");
    bed.write("fleet.yaml", &format!("{fleet}\nnotify:\n  - {JSON}\n"));
    let tried = |hook: &Hook| {
        let said = run(&bed, &hook.address, "notify --test oncall").ends(1);
        assert_eq!(hook.asked(), 1, "a try is sent once");
        said.err
    };
    let err = tried(&Hook::new(&[Answer::Text(404, "no_service\nmore")]));
    assert!(
        err.contains("error: notify rule `oncall`: it answers 404: no_service\n"),
        "{err}"
    );
    // What a server repeats of the address is kept back.
    let err = tried(&Hook::new(&[Answer::Text(403, "no such team: T0SECRET")]));
    assert!(
        err.contains("error: notify rule `oncall`: it answers 403\n"),
        "{err}"
    );
    let err = tried(&Hook::new(&[Answer::Hang]));
    assert!(err.contains("it does not answer in time"), "{err}");
    let err = run(&bed, "", "notify --test oncall").ends(1).err;
    assert!(
        err.contains("the environment variable HOOK is not set"),
        "{err}"
    );
    let err = run(&bed, "", "notify --test oncal").ends(1).err;
    assert!(
        err.contains("fleet.yaml has no notify rule `oncal`"),
        "{err}"
    );
    assert!(err.contains("did you mean `oncall`?"), "{err}");
}

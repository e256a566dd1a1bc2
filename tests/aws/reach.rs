//! How AWS is reached, as the AWS CLI does: by a proxy, at FIPS and dual-stack addresses, with certificates of an authority of one's own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::bed::{Bed, Eyes};
use crate::support::{Server, server_or_skip};

const CLUSTER: &str = "staging-globex.k8s.foo.bar";

/// A proxy that passes nothing on: its address, and the first line of whatever it is asked.
fn deaf_proxy() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = (&stream).write_all(
                b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
            if tell.send(line.trim_end().to_owned()).is_err() {
                return;
            }
        }
    });
    (address, told)
}

fn ready(server: &'static Server) -> Bed {
    let bed = Bed::new(server, &[CLUSTER], Eyes::Closed);
    bed.seed("1");
    bed
}

/// No packet leaves the machine: the proxy is asked for the address, and that is all there is to see.
#[test]
fn the_addresses_are_those_that_the_environment_asks_for() {
    let Some(server) = server_or_skip("the_addresses_are_those_that_the_environment_asks_for")
    else {
        return;
    };
    for (name, sts) in [
        (
            "KFLEET_NOTHING",
            "CONNECT sts.eu-west-3.amazonaws.com:443 HTTP/1.1",
        ),
        (
            "AWS_USE_FIPS_ENDPOINT",
            "CONNECT sts-fips.eu-west-3.amazonaws.com:443 HTTP/1.1",
        ),
        (
            "AWS_USE_DUALSTACK_ENDPOINT",
            "CONNECT sts.eu-west-3.api.aws:443 HTTP/1.1",
        ),
    ] {
        let mut bed = ready(server);
        let (proxy, told) = deaf_proxy();
        bed.unset("AWS_ENDPOINT_URL");
        for (key, value) in [
            ("NO_PROXY", ""),
            ("HTTPS_PROXY", proxy.as_str()),
            (name, "true"),
        ] {
            bed.set(key, value);
        }
        let mut plan = bed.begin("plan");
        let first = told.recv_timeout(Duration::from_secs(60)).unwrap();
        plan.kill().unwrap();
        plan.wait().unwrap();
        assert_eq!(first, sts, "{name}");
    }
}

#[test]
fn a_bad_address_is_refused_and_a_dead_proxy_is_no_login() {
    let Some(server) = server_or_skip("a_bad_address_is_refused_and_a_dead_proxy_is_no_login")
    else {
        return;
    };
    let mut bed = ready(server);
    for (name, value) in [
        ("AWS_ENDPOINT_URL_EC2", ""),
        ("AWS_ENDPOINT_URL", ""),
        ("AWS_ENDPOINT_URL", "aws.test"),
        ("AWS_ENDPOINT_URL", "https://"),
    ] {
        bed.set(name, value);
        let said = bed.run("plan").ends(1);
        assert!(
            said.err.contains(&format!("error: {name} is no address")),
            "{}",
            said.err
        );
        bed.unset(name);
    }
    let said = bed.run("plan --endpoint-url aws.test").ends(1);
    assert!(
        said.err.contains("error: --endpoint-url is no address"),
        "{}",
        said.err
    );
    // Nobody listens there.
    bed.set("NO_PROXY", "");
    bed.set("HTTPS_PROXY", "http://127.0.0.1:9");
    let said = bed.run("plan").ends(1);
    assert!(
        said.err.contains("error: no answer for ") && !said.err.contains("log in"),
        "{}",
        said.err
    );
}

#[test]
fn a_proxy_is_used_and_left_out_as_the_environment_says() {
    let Some(server) = server_or_skip("a_proxy_is_used_and_left_out_as_the_environment_says")
    else {
        return;
    };
    let mut bed = ready(server);
    bed.set("NO_PROXY", "");
    // Nobody has this name: only the proxy, here the server itself, answers for it.
    bed.set("AWS_ENDPOINT_URL", "http://aws.invalid");
    bed.set("HTTP_PROXY", &server.url());
    bed.plan_is_empty();
    let (deaf, told) = deaf_proxy();
    bed.set("HTTP_PROXY", &deaf);
    bed.set("AWS_ENDPOINT_URL", &server.url());
    bed.set("NO_PROXY", "localhost,127.0.0.1");
    bed.plan_is_empty();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
}

/// The server behind TLS, and the file with the authority's certificate.
fn behind_tls(server: &Server, bed: &Bed) -> (Child, String, String) {
    let authority = bed.path("authority.pem").display().to_string();
    let port = server.url().rsplit(':').next().unwrap().to_owned();
    let program = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moto/tls.py");
    let mut command = Command::new(server.python());
    command
        .arg(program)
        .args([&port, &authority])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONPATH", crate::support::packages());
    let mut relay = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(relay.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    (
        relay,
        format!("https://127.0.0.1:{}", line.trim()),
        authority,
    )
}

#[test]
fn only_the_authority_of_the_bundle_is_trusted() {
    let Some(server) = server_or_skip("only_the_authority_of_the_bundle_is_trusted") else {
        return;
    };
    let mut bed = ready(server);
    let (mut relay, url, authority) = behind_tls(server, &bed);
    bed.set("AWS_ENDPOINT_URL", &url);
    bed.set("AWS_CA_BUNDLE", &authority);
    bed.plan_is_empty();
    bed.set("AWS_CA_BUNDLE", "");
    let said = bed.run("plan").ends(1);
    assert!(said.err.contains("certificate"), "{}", said.err);
    relay.kill().unwrap();
    relay.wait().unwrap();
}

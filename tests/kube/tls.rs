//! Certificates of both sides and a proxy: with python3 and openssl, else skipped.

use kfleet::model::Nodes;
use kfleet::nodes::NodeApi;

use crate::api::{Api, cluster};
use crate::beside::{Running, certificates};

const SCRIPT: &str = "tests/kube/tls.py";

fn kubeconfig(api: &Api, server: &str, proxy: &str, user: &str) {
    let dir = api.dir.path().display();
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- {{name: c, cluster: {{server: \"{server}\", certificate-authority: {dir}/ca.crt{proxy}}}}}\n\
         users:\n- {{name: u, user: {user}}}\ncontexts:\n- {{name: here, context: {{cluster: c, user: u}}}}\n"
    );
    std::fs::write(api.file(), text).unwrap();
}

#[tokio::test]
async fn certificates_are_checked_on_both_sides() {
    let api = Api::new();
    let dir = api.dir.path().to_owned();
    if !certificates(&dir) {
        return;
    }
    api.with(|kept| kept.node("node-1", "i-1"));
    let mut tls = Running::start(SCRIPT, &["tls", dir.to_str().unwrap(), &api.address]);
    let mut proxy = Running::start(SCRIPT, &["proxy"]);
    let server = format!("https://127.0.0.1:{}", tls.port);
    let user = format!(
        "{{client-certificate: {0}/client.crt, client-key: {0}/client.key}}",
        dir.display()
    );

    kubeconfig(&api, &server, "", &user);
    assert!(
        matches!(api.client().nodes(&cluster()).await, Nodes::Known(seen) if seen.nodes.len() == 1)
    );
    assert_eq!(tls.line(), "client client");

    kubeconfig(
        &api,
        &server,
        &format!(", proxy-url: \"http://127.0.0.1:{}\"", proxy.port),
        &user,
    );
    assert!(matches!(
        api.client().nodes(&cluster()).await,
        Nodes::Known(_)
    ));
    assert_eq!(proxy.line(), format!("CONNECT 127.0.0.1:{}", tls.port));

    kubeconfig(&api, &server, "", "{token: secret}");
    assert!(
        matches!(api.client().nodes(&cluster()).await, Nodes::Unknown(_)),
        "no certificate"
    );

    std::fs::copy(dir.join("client.crt"), dir.join("ca.crt")).unwrap();
    kubeconfig(&api, &server, "", &user);
    assert!(
        matches!(api.client().nodes(&cluster()).await, Nodes::Unknown(why) if why.why.to_lowercase().contains("certificate")),
        "another CA"
    );
}

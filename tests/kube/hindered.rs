//! What stands in the way of an eviction, done to real servers: budgets, rights that are away, admission that says no.

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value as Json, json};

use crate::api::{Admission, Kept};
use crate::beside::{Running, certificates};
use crate::real::{Before, Key, Servers};

const ROLE: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/kfleet";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";
/// What is there of it, by list.
const HOOKS: [&str; 3] = [
    "validatingadmissionpolicybindings",
    "validatingadmissionpolicies",
    "validatingwebhookconfigurations",
];

impl Servers {
    /// What a look changed of all this.
    pub(crate) fn hinder(&self, before: &Before, kept: &Kept) {
        for (key, free) in &kept.budgets {
            match before.budgets.get(key) {
                None => self.budget(key, "", u32::from(free.is_some())),
                Some(old) if old.is_some() == free.is_some() => {}
                Some(_) => self.allow(key, u32::from(free.is_some())),
            }
        }
        for key in kept.doubled.difference(&before.doubled) {
            self.budget(key, "-2", 1);
        }
        for (namespace, app) in before.doubled.difference(&kept.doubled) {
            self.delete(&format!("{}/{app}-2", budgets(namespace)));
        }
        if before.denied != kept.denied {
            self.permit(&|right| !kept.denied.contains(right));
        }
        if before.admission != kept.admission {
            self.admit(kept.admission.as_ref());
        }
    }

    pub(crate) fn nothing_hinders(&self) {
        self.permit(&|_| true);
        self.admit(None);
    }

    fn budget(&self, (namespace, app): &Key, suffix: &str, unavailable: u32) {
        let mut body = json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": format!("{app}{suffix}")},
            "spec": {"selector": {"matchLabels": {"app": app}}},
        });
        let (most, least) = limits(unavailable);
        (body["spec"]["maxUnavailable"], body["spec"]["minAvailable"]) = (most, least);
        self.create(&budgets(namespace), &body);
        self.allows(
            &format!("{}/{app}{suffix}", budgets(namespace)),
            unavailable,
        );
    }

    fn allow(&self, (namespace, app): &Key, unavailable: u32) {
        let path = format!("{}/{app}", budgets(namespace));
        let (most, least) = limits(unavailable);
        self.patch(
            &path,
            &json!({"spec": {"maxUnavailable": most, "minAvailable": least}}),
        );
        self.allows(&path, unavailable);
    }

    fn allows(&self, path: &str, disruptions: u32) {
        self.wait("the budget is processed", || {
            let found = self.get(path);
            found.is_some_and(|f| {
                f["status"]["disruptionsAllowed"] == disruptions
                    && f["status"]["observedGeneration"] == f["metadata"]["generation"]
            })
        });
    }

    /// The role has the rights that the README names and that fit, and takes effect within a second.
    fn permit(&self, fits: &dyn Fn(&str) -> bool) {
        let mut role = self.get(ROLE).unwrap();
        let wanted = &role["metadata"]["annotations"]["whole"];
        let whole = match wanted.as_str() {
            Some(text) => serde_json::from_str(text).unwrap(),
            None => role["rules"].clone(),
        };
        role["metadata"]["annotations"] = json!({"whole": whole.to_string()});
        let mut rules: Vec<Json> = Vec::new();
        for rule in whole.as_array().unwrap() {
            for resource in texts(&rule["resources"]) {
                let verbs: Vec<&str> = texts(&rule["verbs"])
                    .filter(|verb| fits(&format!("{verb} {resource}")))
                    .collect();
                if verbs.is_empty() {
                    continue;
                }
                let mut one = rule.clone();
                (one["resources"], one["verbs"]) = (json!([resource]), json!(verbs));
                rules.push(one);
            }
        }
        role["rules"] = json!(rules);
        self.ask("PUT", ROLE, Some(&role)).unwrap();
        std::thread::sleep(Duration::from_secs(1));
    }

    /// Takes away what said no, and lets another say it.
    fn admit(&self, admission: Option<&Admission>) {
        let mut known = false;
        for list in HOOKS {
            for item in self.list(&format!("{ADMISSION}/{list}")) {
                let name = item["metadata"]["name"].as_str().unwrap();
                if name == "kfleet-test" {
                    self.delete(&format!("{ADMISSION}/{list}/{name}"));
                    known = true;
                }
            }
        }
        let name = json!({"name": "kfleet-test"});
        let evictions = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods/eviction"]}]);
        match admission {
            None => {}
            Some(Admission::Policy(_, reason, words)) => {
                let policy = json!({
                    "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": name,
                    "spec": {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": evictions},
                        "validations": [{"expression": "false", "message": words, "reason": reason}]},
                });
                let binding = json!({
                    "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": name,
                    "spec": {"policyName": "kfleet-test", "validationActions": ["Deny"]},
                });
                self.create(&format!("{ADMISSION}/{}", HOOKS[1]), &policy);
                self.create(&format!("{ADMISSION}/{}", HOOKS[0]), &binding);
            }
            // Nobody listens on the first port.
            Some(Admission::Unreachable) => {
                self.webhook(&json!({"url": "https://127.0.0.1:1/"}), evictions);
            }
            Some(Admission::Webhook(code, words)) => {
                let client = self.hook_that_answers(&json!({"code": code, "words": words}));
                self.webhook(&client, evictions);
            }
            Some(Admission::Slow) => {
                let client = self.hook_that_answers(&json!({"seconds": 4}));
                self.webhook(&client, evictions);
            }
            Some(Admission::NoDryRun) => {
                panic!(
                    "no server takes such a webhook: admissionregistration.k8s.io/v1 asks for side effects of None or NoneOnDryRun"
                )
            }
        }
        // Each API server hears of it in its time.
        if known || admission.is_some() {
            std::thread::sleep(Duration::from_secs(3));
        }
    }

    /// Evictions pass only where the webhook says so, within two seconds.
    fn webhook(&self, client: &Json, evictions: Json) {
        let hook = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "kfleet-test"},
            "webhooks": [{"name": "w.example.com", "clientConfig": client, "rules": evictions,
                "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 2}],
        });
        self.create(&format!("{ADMISSION}/{}", HOOKS[2]), &hook);
    }

    /// The webhook's server with a certificate of its own, started when it is first needed; and how the API server reaches it.
    fn hook_that_answers(&self, answer: &Json) -> Json {
        let folder = self.hook_folder.path();
        std::fs::write(folder.join("answer.json"), answer.to_string()).unwrap();
        let mut hook = self.hook.lock().unwrap();
        let running = hook.get_or_insert_with(|| {
            assert!(certificates(folder), "no certificate for the webhook");
            Running::start("tests/kube/webhook.py", &[folder.to_str().unwrap()])
        });
        let authority = std::fs::read(folder.join("ca.crt")).unwrap();
        json!({
            "url": format!("https://127.0.0.1:{}/", running.port),
            "caBundle": base64::engine::general_purpose::STANDARD.encode(authority),
        })
    }
}

/// Nothing is allowed whoever owns the pods where more of them are wanted than there are.
fn limits(unavailable: u32) -> (Json, Json) {
    match unavailable {
        0 => (Json::Null, json!(1_000)),
        some => (json!(some), Json::Null),
    }
}

fn budgets(namespace: &str) -> String {
    format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets")
}

fn texts(list: &Json) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
}

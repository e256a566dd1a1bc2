//! Fields of a Cluster that take one of a few words. Says nothing about how they go together.
//!
//! Source: kops' own validation (`pkg/apis/kops/validation/validation.go`, each `IsValidValue`).

use super::error::Problems;
use super::view::View;

/// A path to a mapping, a field of it, and the words it takes.
type Choice = (
    &'static [&'static str],
    &'static str,
    &'static [&'static str],
);

const LOG_FORMATS: &[&str] = &["text", "json"];
const TOPOLOGY: &[&str] = &["none", "best-effort", "restricted", "single-numa-node"];
/// `NoSwap` is Kubernetes' own newer word.
const SWAP: &[&str] = &["LimitedSwap", "UnlimitedSwap", "NoSwap"];
const CALICO: &[&str] = &["networking", "calico"];
const CILIUM: &[&str] = &["networking", "cilium"];
const WRAPPED: &[&str] = &["Always", "CrossSubnet", "Never"];

const CHOICES: &[Choice] = &[
    (&[], "containerRuntime", &["containerd", "docker"]),
    (&["kubeAPIServer"], "logFormat", LOG_FORMATS),
    (&["kubelet"], "logFormat", LOG_FORMATS),
    (&["masterKubelet"], "logFormat", LOG_FORMATS),
    (&["kubelet"], "topologyManagerPolicy", TOPOLOGY),
    (&["masterKubelet"], "topologyManagerPolicy", TOPOLOGY),
    (&["kubelet"], "memorySwapBehavior", SWAP),
    (&["masterKubelet"], "memorySwapBehavior", SWAP),
    (
        &["externalDns"],
        "provider",
        &["dns-controller", "external-dns", "none"],
    ),
    (&["networking", "flannel"], "backend", &["udp", "vxlan"]),
    (
        CALICO,
        "awsSrcDstCheck",
        &["Enable", "Disable", "DoNothing"],
    ),
    (CALICO, "bpfExternalServiceMode", &["Tunnel", "DSR"]),
    (CALICO, "bpfLogLevel", &["Off", "Info", "Debug"]),
    (CALICO, "chainInsertMode", &["insert", "append"]),
    (CALICO, "encapsulationMode", &["ipip", "vxlan", "none"]),
    (CALICO, "ipipMode", WRAPPED),
    (CALICO, "vxlanMode", WRAPPED),
    (CALICO, "iptablesBackend", &["Auto", "Legacy", "NFT"]),
    (CILIUM, "enablePolicy", &["default", "always", "never"]),
    (CILIUM, "tunnel", &["vxlan", "geneve", "disabled"]),
    (CILIUM, "monitorAggregation", &["low", "medium", "maximum"]),
    (CILIUM, "identityAllocationMode", &["crd", "kvstore"]),
    (CILIUM, "bpfLBAlgorithm", &["random", "maglev"]),
    (CILIUM, "encryptionType", &["ipsec", "wireguard"]),
    (CILIUM, "ipam", &["hostscope", "kubernetes", "crd", "eni"]),
];

/// Checks every field that is written. An empty text counts as no value.
pub(super) fn check(spec: View<'_>, problems: &mut Problems) {
    for (path, key, words) in CHOICES {
        let view = path.iter().fold(spec, |view, part| view.sub(part));
        let Some(written) = view.text(key).filter(|w| !words.contains(w)) else {
            continue;
        };
        let named = path.iter().chain([key]).copied();
        problems.error_hint(
            view.at(key),
            format!(
                "`{}` is `{written}`, which kops does not take",
                named.collect::<Vec<_>>().join(".")
            ),
            format!("one of {}", words.join(", ")),
        );
    }
}

//! S16, S17: what is open to the world, and what every instance does by itself at the same minute.

use base64::Engine as _;
use serde_json::Value as Json;

use crate::lint::facts::{ClusterFacts, GroupFacts};
use crate::lint::finding::RuleFindings;
use crate::lint::rule::{Rule, RuleCheck, RuleId, Severity};

pub(super) const RULES: [Rule; 2] = [
    Rule {
        id: RuleId("S16"),
        title: "IMDS asks for tokens, volumes are encrypted, nodes are private, SSH is not open to the world",
        severity: Severity::Warning,
        reads: "instanceMetadata, volumes and subnets of every group; sshAccess of the cluster",
        story: "A pod that can be made to fetch a URL reads the node's credentials where tokens are optional. The rest is what every audit asks first.",
        source: "AWS, Use IMDSv2; AWS Foundational Security Best Practices EC2.8, EC2.3, EC2.9, EC2.13",
        fix: "`instanceMetadata.httpTokens: required`, `rootVolumeEncryption: true`, private subnets, `sshAccess` of your own networks",
        check: RuleCheck::Cluster(open),
    },
    Rule {
        id: RuleId("S17"),
        title: "no unattended upgrades and no fixed minute in what instances run at boot",
        severity: Severity::Warning,
        reads: "additionalUserData and hooks of groups of workers",
        story: "A fleet that upgraded its kernels at one o'clock restarted everywhere at one o'clock, staging and prod alike.",
        source: "teams that run such fleets",
        fix: "bake upgrades into images and roll them; spread jobs over the hour",
        check: RuleCheck::Workers(at_boot),
    },
];

const WORLD: [&str; 2] = ["0.0.0.0/0", "::/0"];

fn open(cluster: &ClusterFacts, found: &mut RuleFindings) {
    let ssh = cluster.spec("/sshAccess").and_then(Json::as_array);
    if let Some(network) = ssh
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .find(|n| WORLD.contains(n))
    {
        found.add(
            &cluster.name,
            cluster.subject(),
            cluster.pos(),
            format!("sshAccess holds {network}"),
        );
    }
    for group in cluster.groups() {
        let data = &group.definition.launch_template.launch_template_data;
        let mut add = |field: &str, what: String| {
            found.add(&cluster.name, group.subject(), group.at(field), what);
        };
        if data.metadata_options.http_tokens != "required" {
            add("instanceMetadata", "IMDS answers without a token".into());
        }
        let plain: Vec<&str> = data
            .block_device_mappings
            .iter()
            .filter(|b| b.ebs.as_ref().is_some_and(|e| !e.encrypted))
            .map(|b| b.device_name.as_str())
            .collect();
        if !plain.is_empty() {
            add(
                "rootVolumeEncryption",
                format!("volumes that are not encrypted: {}", plain.join(", ")),
            );
        }
        let bastion = group.group.role == crate::kops::Role::Bastion;
        if !bastion
            && data
                .network_interfaces
                .iter()
                .any(|n| n.associate_public_ip_address)
        {
            add("subnets", "its instances have public addresses".into());
        }
    }
}

/// The scripts that a group's instances run at boot, decoded where they are base64; none for one that is packed.
fn scripts(group: &GroupFacts<'_>) -> Vec<Option<String>> {
    let of = |pointer: &str, field: &str| -> Vec<String> {
        let entries = group.group.value.pointer(pointer).and_then(Json::as_array);
        let entries = entries.into_iter().flatten();
        entries
            .filter_map(|entry| entry.get(field)?.as_str().map(str::to_owned))
            .collect()
    };
    let data = of("/spec/additionalUserData", "content");
    let hooks = of("/spec/hooks", "manifest");
    let decoded = |text: String| match base64::engine::general_purpose::STANDARD.decode(text.trim())
    {
        Ok(bytes) => String::from_utf8(bytes).ok(),
        Err(_) => Some(text),
    };
    data.into_iter().chain(hooks).map(decoded).collect()
}

/// Whether a line turns unattended upgrades on, rather than off or away.
fn upgrades(line: &str) -> bool {
    let line = line.trim();
    let off = ["disable", "mask", "remove", "purge", "stop", "\"0\""];
    !line.starts_with('#')
        && (line.contains("unattended-upgrade") || line.contains("apt-daily-upgrade"))
        && !off.iter().any(|word| line.contains(word))
}

/// A crontab line whose minute and hour are numbers, or a timer at a fixed time that is not spread.
fn fixed_time(script: &str) -> Option<&str> {
    let spread = script.contains("RandomizedDelaySec");
    script.lines().map(str::trim).find(|line| {
        let mut words = line.split_whitespace();
        let number = |word: Option<&str>| {
            word.is_some_and(|w| w.len() <= 2 && w.bytes().all(|b| b.is_ascii_digit()))
        };
        let cron = number(words.next())
            && number(words.next())
            && words
                .next()
                .is_some_and(|w| w.starts_with(['*', '1', '2', '3']))
            && words.next().is_some()
            && words.next().is_some();
        let timer = line.starts_with("OnCalendar=") && line.contains(':') && !spread;
        cron || timer
    })
}

fn at_boot(cluster: &ClusterFacts, group: &GroupFacts<'_>, found: &mut RuleFindings) {
    for script in scripts(group) {
        let Some(script) = script else {
            found.needs(Some(&cluster.name), "the text of a script that is packed");
            continue;
        };
        let field = "additionalUserData";
        if script.lines().any(upgrades) {
            found.add(
                &cluster.name,
                group.subject(),
                group.at(field),
                "its instances upgrade themselves (unattended-upgrades)".into(),
            );
        }
        if fixed_time(&script).is_some() {
            found.add(
                &cluster.name,
                group.subject(),
                group.at(field),
                "its instances run a job at a fixed minute of the day, all at once".into(),
            );
        }
    }
}

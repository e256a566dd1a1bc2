"""The API of a cluster, as far as a roll asks: a Ready node for every running instance with the cluster's tag, and no pods.

`/k8s/ACCOUNT/CLUSTER/api/v1/nodes` and so on; a kubeconfig names `http://127.0.0.1:PORT/k8s/ACCOUNT/CLUSTER` as its server.
"""

from moto.ec2.models import ec2_backends

# Nodes that are cordoned: (account, cluster, node).
CORDONED = set()


def answer(path, method, body, _query):
    account, cluster, *rest = path.removeprefix("/k8s/").split("/")
    what = "/".join(rest)
    if what in ("version", "api", "apis"):
        return {"major": "1", "minor": "32", "gitVersion": "v1.32.0", "platform": "linux/amd64"}, "200 OK"
    if what == "api/v1/nodes":
        return listed("NodeList", "v1", [node(account, cluster, i) for i in instances(account, cluster)]), "200 OK"
    if what.startswith("api/v1/nodes/"):
        return one(account, cluster, rest[-1], method, body)
    if what.endswith("/pods"):
        return listed("PodList", "v1", []), "200 OK"
    if what.endswith("/poddisruptionbudgets"):
        return listed("PodDisruptionBudgetList", "policy/v1", []), "200 OK"
    return missing(f"{what} is not there"), "404 Not Found"


def listed(kind, version, items):
    return {"kind": kind, "apiVersion": version, "metadata": {"resourceVersion": "1"}, "items": items}


def missing(message):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": "NotFound", "code": 404}


def instances(account, cluster):
    for backend in ec2_backends[account].values():
        for reservation in backend.reservations.values():
            for instance in reservation.instances:
                if instance.state == "running" and backend.tags.get(instance.id, {}).get("KubernetesCluster") == cluster:
                    yield instance


def name(instance):
    return instance.private_dns_name or instance.id


def node(account, cluster, instance):
    made = f"{instance.launch_time:%Y-%m-%dT%H:%M:%SZ}"
    conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastHeartbeatTime": made, "lastTransitionTime": made}]
    return {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name(instance), "uid": instance.id, "resourceVersion": "1", "creationTimestamp": made, "labels": {}, "annotations": {}},
        "spec": {
            "providerID": f"aws:///{instance._placement.zone}/{instance.id}",
            **({"unschedulable": True} if (account, cluster, name(instance)) in CORDONED else {}),
        },
        "status": {"conditions": conditions},
    }


def one(account, cluster, wanted, method, body):
    found = next((i for i in instances(account, cluster) if name(i) == wanted), None)
    if found is None:
        return missing(f'nodes "{wanted}" not found'), "404 Not Found"
    if method == "PATCH":
        asked = (body or {}).get("spec", {}) if isinstance(body, dict) else {}
        if asked.get("unschedulable"):
            CORDONED.add((account, cluster, wanted))
        elif "unschedulable" in asked:
            CORDONED.discard((account, cluster, wanted))
    return node(account, cluster, found), "200 OK"

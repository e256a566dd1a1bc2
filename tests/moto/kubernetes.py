"""The API of a cluster, as far as a roll asks: a Ready node for every running instance with the cluster's tag, the static pods of
the control plane, and one pod to evict on every other node.

`/k8s/ACCOUNT/CLUSTER/api/v1/nodes` and so on; a kubeconfig names `http://127.0.0.1:PORT/k8s/ACCOUNT/CLUSTER` as its server.
"""

import json

from moto.ec2.models import ec2_backends

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
# The static pods of a control-plane node, by their label `k8s-app`; the last two run the members of etcd. Source: kops, `pkg/model/components/etcdmanager`.
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd-manager-main", "etcd-manager-events")

# What was patched into nodes: (account, cluster, node) → {"version": …, "patch": …}.
PATCHES = {}
# Pods that were evicted: (account, cluster, namespace/name).
EVICTED = set()


class Gone(Exception):
    pass


def answer(path, method, body, query):
    account, cluster, *rest = path.removeprefix("/k8s/").split("/")
    place = (account, cluster)
    try:
        return asked(place, "/".join(rest), method, body or {}, query)
    except Gone as gone:
        return status(404, "NotFound", f"{gone} not found")


def asked(place, what, method, body, query):
    parts = what.split("/")
    if query.get("watch") == "true":
        # Whoever cannot watch lists.
        return status(501, "NotImplemented", "there are no watches here")
    if what == "version":
        return {"major": "1", "minor": "32", "gitVersion": "v1.32.0", "platform": "linux/amd64"}, "200 OK"
    if what == "apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
        return {**body, "status": {"allowed": True}}, "201 Created"
    if what == "api/v1/namespaces/kube-system":
        return {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": f"uid-of-{place[1]}"}}, "200 OK"
    if what == "api/v1/nodes":
        return listed("NodeList", "v1", [node(place, i) for i in instances(place)]), "200 OK"
    if what.startswith("api/v1/nodes/"):
        return one(place, parts[-1], method, body)
    if what.endswith("/pods"):
        wanted = dict(f.split("=", 1) for f in query.get("fieldSelector", "").split(",") if f).get("spec.nodeName")
        return listed("PodList", "v1", [p for p in pods(place) if wanted in (None, p["spec"]["nodeName"])]), "200 OK"
    if what == "apis/storage.k8s.io/v1/volumeattachments":
        # No pod of this cluster has a volume.
        return listed("VolumeAttachmentList", "storage.k8s.io/v1", []), "200 OK"
    if what.endswith("/poddisruptionbudgets"):
        return listed("PodDisruptionBudgetList", "policy/v1", []), "200 OK"
    if "pods" in parts and (what.endswith("/eviction") or method == "DELETE"):
        namespace, name = parts[3], parts[5]
        EVICTED.add((*place, f"{namespace}/{name}"))
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, "201 Created"
    raise Gone(what)


def listed(kind, version, items):
    # Nothing counts what happens here: a version that is no number is compared with none, and everything is listed at each look.
    return {"kind": kind, "apiVersion": version, "metadata": {"resourceVersion": "uncounted"}, "items": items}


def status(code, reason, message):
    said = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code}
    return said, f"{code} {reason}"


def tags(instance):
    return instance.ec2_backend.tags.get(instance.id, {})


def instances(place):
    account, cluster = place
    for backend in ec2_backends[account].values():
        for reservation in backend.reservations.values():
            for instance in reservation.instances:
                # A bastion runs no kubelet.
                if "k8s.io/role/bastion" in backend.tags.get(instance.id, {}):
                    continue
                if instance.state == "running" and backend.tags.get(instance.id, {}).get("KubernetesCluster") == cluster:
                    yield instance


def name(instance):
    return instance.private_dns_name or instance.id


def is_control_plane(place, instance):
    return any(key in tags(instance) for key in ("k8s.io/role/control-plane", "k8s.io/role/master"))


def merged(target, patch):
    """A JSON merge patch."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            target[key] = merged(dict(target.get(key) or {}), value)
        else:
            target[key] = value
    return target


def node(place, instance):
    made = f"{instance.launch_time:%Y-%m-%dT%H:%M:%SZ}"
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastHeartbeatTime": made, "lastTransitionTime": made}
    kept = PATCHES.setdefault((*place, name(instance)), {"version": 1, "patches": []})
    found = {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name(instance), "uid": instance.id, "creationTimestamp": made, "annotations": {},
            "labels": {CONTROL_PLANE: ""} if is_control_plane(place, instance) else {},
        },
        "spec": {"providerID": f"aws:///{instance._placement.zone}/{instance.id}"},
        "status": {"conditions": [ready], "nodeInfo": node_info()},
    }
    for patch in kept["patches"]:
        merged(found, json.loads(json.dumps(patch)))
    found["metadata"]["resourceVersion"] = str(kept["version"])
    return found


def node_info():
    empty = ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion", "kubeProxyVersion")
    return {**{key: "" for key in empty}, "kubeletVersion": "v1.32.0", "operatingSystem": "linux", "architecture": "amd64"}


def pods(place):
    for instance in instances(place):
        if is_control_plane(place, instance):
            for component in COMPONENTS:
                yield pod("kube-system", f"{component}-{name(instance)}", instance, {"k8s-app": component}, {"kubernetes.io/config.mirror": "static"}, [])
        else:
            owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "web", "controller": True}
            found = pod("default", f"web-{instance.id}", instance, {"app": "web"}, {}, [owner])
            if (*place, f"default/web-{instance.id}") not in EVICTED:
                yield found


def pod(namespace, own_name, instance, labels, annotations, owners):
    made = f"{instance.launch_time:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": own_name, "namespace": namespace, "uid": own_name, "labels": labels, "annotations": annotations, "ownerReferences": owners,
            "creationTimestamp": made, "resourceVersion": "1",
        },
        "spec": {"nodeName": name(instance), "containers": [{"name": "main", "image": "web"}]},
        "status": {"phase": "Running", "startTime": made, "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": made}]},
    }


def one(place, wanted, method, body):
    found = next((i for i in instances(place) if name(i) == wanted), None)
    if found is None:
        raise Gone(f'nodes "{wanted}"')
    node(place, found)
    kept = PATCHES[(*place, wanted)]
    if method == "PATCH":
        patch = json.loads(json.dumps(body))
        version = patch.get("metadata", {}).pop("resourceVersion", None)
        if version not in (None, str(kept["version"])):
            return status(409, "Conflict", f'the object has been modified; node "{wanted}"')
        kept["patches"].append(patch)
        kept["version"] += 1
    return node(place, found), "200 OK"

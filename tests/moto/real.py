"""Nodes on real servers for the instances of a cluster: kubelets by kwok, pods of real owners that a budget protects, and which of
their pods an instance took with it when it ended.

A thread of its own follows the instances: whoever runs joins, whoever ended is taken out together with what was left there.
"""

import json
import ssl
import threading
import time
import urllib.error
import urllib.request

import kubernetes

# By which kwok knows the nodes that it plays the kubelet of.
KWOK = {"kwok.x-k8s.io/node": "fake"}
APP = "web"
PATIENCE_S = 180

FOLLOWED = {}


class Api:
    """An administrator's way to a real API server; the certificate is the server's own, of this run."""

    def __init__(self, server, token):
        self.server, self.token = server, token
        self.context = ssl._create_unverified_context()

    def ask(self, method, path, body=None, kind="application/json"):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, headers, method=method)
        with urllib.request.urlopen(request, context=self.context, timeout=30) as answer:
            return json.load(answer)

    def items(self, path):
        return self.ask("GET", path)["items"]

    def create(self, path, body):
        """What is there already is as good."""
        try:
            return self.ask("POST", path, body)
        except urllib.error.HTTPError as error:
            if error.code != 409:
                raise

    def delete(self, path):
        """At once; what is gone already is as good."""
        try:
            return self.ask("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise


class Follower(threading.Thread):
    def __init__(self, api, place, lock, advance):
        super().__init__(daemon=True)
        self.api, self.place, self.lock, self.advance = api, place, lock, advance
        # Pods that ran on an instance when it ended: they should have gone before it.
        self.cut = []
        # What could not be done: the servers may be away for a while, by a test's own doing.
        self.missed = 0
        # Another cluster has the servers now.
        self.over = False

    def run(self):
        while not self.over:
            try:
                self.follow()
            except OSError:
                self.missed += 1
            time.sleep(0.2)

    def follow(self):
        with self.lock:
            self.advance(self.place[0])
            running = {kubernetes.name(i): self.described(i) for i in kubernetes.instances(self.place)}
        nodes = {n["metadata"]["name"] for n in self.api.items("/api/v1/nodes")}
        for name in sorted(set(running) | nodes):
            # Whoever takes the servers over holds the lock meanwhile.
            with self.lock:
                if self.over:
                    return
                if name not in nodes:
                    self.join(name, *running[name])
                elif name not in running:
                    self.lose(name)

    def described(self, instance):
        return kubernetes.is_control_plane(self.place, instance), f"aws:///{instance._placement.zone}/{instance.id}"

    def join(self, name, control_plane, provider_id):
        labels = {"kubernetes.io/hostname": name, **({kubernetes.CONTROL_PLANE: ""} if control_plane else {})}
        taints = [{"key": kubernetes.CONTROL_PLANE, "effect": "NoSchedule"}] if control_plane else []
        self.api.create("/api/v1/nodes", {
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels, "annotations": KWOK},
            "spec": {"providerID": provider_id, "taints": taints},
        })
        room = {"cpu": "8", "memory": "32Gi", "pods": "110"}
        status = {"status": {"allocatable": room, "capacity": room, "nodeInfo": kubernetes.node_info()}}
        self.api.ask("PATCH", f"/api/v1/nodes/{name}/status", status, "application/merge-patch+json")
        for component in kubernetes.COMPONENTS if control_plane else ():
            self.api.create("/api/v1/namespaces/kube-system/pods", {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": f"{component}-{name}", "labels": {"k8s-app": component, "app": component},
                    "annotations": {"kubernetes.io/config.mirror": "static"},
                },
                "spec": {"nodeName": name, "priorityClassName": "system-node-critical", "containers": container()},
            })

    def lose(self, name):
        for pod in self.api.items(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{name}"):
            of = pod["metadata"]
            if of.get("labels", {}).get("app") == APP:
                self.cut.append(f"{of['name']} on {name}")
            self.api.delete(f"/api/v1/namespaces/{of['namespace']}/pods/{of['name']}")
        self.api.delete(f"/api/v1/nodes/{name}")


def container():
    return [{"name": "main", "image": "none"}]


def join(place, body, lock, advance):
    """Called with the lock held. The cluster's instances have nodes there from now on, and `replicas` pods run on them, of which a budget spares one."""
    api = Api(body["server"], body["token"])
    for other in FOLLOWED.values():
        other.over = True
    clean(api)
    follower = Follower(api, place, lock, advance)
    follower.follow()
    until("all nodes are Ready", lambda: all(ready(n) for n in api.items("/api/v1/nodes")))
    labels = {"app": APP}
    api.create("/apis/apps/v1/namespaces/default/replicasets", {
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": APP},
        "spec": {
            "replicas": body["replicas"], "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": container()}},
        },
    })
    api.create("/apis/policy/v1/namespaces/default/poddisruptionbudgets", {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": APP},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}},
    })
    until("all pods run", lambda: replicas(api) == body["replicas"])
    FOLLOWED[place] = follower
    follower.start()
    return {}


def seen(place):
    """What is there now, once it rests: nodes by name, how many pods are ready, and what was cut."""
    follower = FOLLOWED[place]
    api = follower.api
    nodes = api.items("/api/v1/nodes")
    return {
        "nodes": {n["metadata"]["name"]: marks(n) for n in nodes}, "ready": replicas(api), "cut": follower.cut, "missed": follower.missed,
        "providers": sorted(n["spec"]["providerID"] for n in nodes),
    }


def marks(node):
    """What somebody has put on a node beside what belongs to it."""
    own = (kubernetes.CONTROL_PLANE, "node.kubernetes.io/", "node.alpha", "kwok", "volumes.", "kubernetes.io/", "beta.kubernetes.io/")
    of = node["metadata"]
    named = [*of.get("labels", {}), *of.get("annotations", {}), *(t["key"] for t in node["spec"].get("taints", []))]
    return sorted(n for n in named if not n.startswith(own)) + ["unschedulable"] * node["spec"].get("unschedulable", False)


def ready(node):
    taints = [t["key"] for t in node["spec"].get("taints", [])]
    conditions = node["status"].get("conditions", [])
    return "node.kubernetes.io/not-ready" not in taints and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def replicas(api):
    return sum(r["status"].get("readyReplicas", 0) for r in api.items("/apis/apps/v1/namespaces/default/replicasets"))


def clean(api):
    """Nothing is left of another test."""
    lists = ("/apis/batch/v1", "jobs"), ("/apis/apps/v1", "replicasets"), ("/apis/apps/v1", "daemonsets"), ("/apis/policy/v1", "poddisruptionbudgets"), ("/api/v1", "pods")
    for base, kind in lists:
        for item in api.items(f"{base}/{kind}"):
            of = item["metadata"]
            # A kubelet that is gone with its test lets no pod go.
            api.delete(f"{base}/namespaces/{of['namespace']}/{kind}/{of['name']}?gracePeriodSeconds=0")
    for node in api.items("/api/v1/nodes"):
        api.delete(f"/api/v1/nodes/{node['metadata']['name']}")
    until("nothing is left of another test", lambda: not api.items("/api/v1/pods"))


def until(what, holds):
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.3)

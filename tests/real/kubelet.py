"""A kubelet that runs what pods say as processes of this machine, and the administrator's hand at the API: the scheduler and the controllers are
real, containers are not. Images are not looked at.

Its first line of input says where the API is, what it is called and what every process finds in its environment; each further line is a request,
answered in one line. It ends, with all that it runs, when its input does.
"""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

LOOK_S = 0.2
RENEW_S = 5
TAINT = {"key": "kfleet.example/processes", "value": "true", "effect": "NoSchedule"}


class Api:
    def __init__(self, server, token):
        self.server, self.token = server, token
        self.context = ssl._create_unverified_context()

    def ask(self, method, path, body=None, kind="application/json"):
        """The code and what was answered."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def must(self, *request):
        code, answer = self.ask(*request)
        if code >= 300 and code != 409:
            raise RuntimeError(f"{request[:2]}: {code}: {answer}")
        return answer

    def merge(self, path, body):
        return self.ask("PATCH", path, body, "application/merge-patch+json")


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Container:
    """The process of a pod's only container."""

    def __init__(self, pod, config):
        self.told_at = None
        self.over = False
        container = pod["spec"]["containers"][0]
        environment = dict(config["environment"])
        for one in container.get("env", []):
            environment[one["name"]] = value(pod, one)
        # As a container, it has a group of its own to be ended with.
        self.said = open(os.path.join(config["folder"], f"{pod['metadata']['name']}.log"), "ab")
        self.process = subprocess.Popen(
            container["command"] + container.get("args", []),
            env=environment,
            cwd=config["folder"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.said,
            start_new_session=True,
        )

    def code(self):
        """As a kubelet tells it: 128 and the signal of what was killed."""
        code = self.process.poll()
        return code if code is None or code >= 0 else 128 - code

    def tell_to_end(self, grace):
        """The first process is told; all that is left when the grace is over is killed."""
        if self.told_at is None:
            self.told_at = time.monotonic()
            self.process.send_signal(signal.SIGTERM)
        elif time.monotonic() > self.told_at + grace:
            self.kill()

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def value(pod, one):
    if "valueFrom" not in one:
        return one.get("value", "")
    path = one["valueFrom"]["fieldRef"]["fieldPath"]
    kind, key = re.fullmatch(r"metadata\.(annotations|labels)\['(.+)'\]", path).groups()
    return pod["metadata"][kind][key]


class Kubelet(threading.Thread):
    def __init__(self, api, config):
        super().__init__(daemon=True)
        self.api, self.config, self.name = api, config, config["node"]
        self.running, self.renewed = {}, 0

    def join_cluster(self):
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name, "labels": {TAINT["key"]: "true"}}, "spec": {"taints": [TAINT]}}
        self.api.must("POST", "/api/v1/nodes", node)
        room = {"cpu": "64", "memory": "64Gi", "pods": "110"}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastHeartbeatTime": now(), "lastTransitionTime": now()}
        self.api.merge(f"/api/v1/nodes/{self.name}/status", {"status": {"capacity": room, "allocatable": room, "conditions": [ready]}})

    def renew(self):
        if time.monotonic() < self.renewed + RENEW_S:
            return
        self.renewed = time.monotonic()
        leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        spec = {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())}
        if self.api.merge(f"{leases}/{self.name}", {"spec": spec})[0] == 404:
            self.api.must("POST", leases, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self.name}, "spec": spec})

    def run(self):
        while True:
            try:
                self.renew()
                code, pods = self.api.ask("GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{self.name}")
                for pod in pods["items"] if code == 200 else []:
                    self.look_at(pod)
            except (OSError, RuntimeError) as error:
                print(error, file=sys.stderr)
            time.sleep(LOOK_S)

    def look_at(self, pod):
        uid, phase = pod["metadata"]["uid"], pod["status"].get("phase")
        told = "deletionTimestamp" in pod["metadata"]
        container = self.running.get(uid)
        if container is None:
            if told:
                return self.forget(pod)
            if phase != "Pending":
                return None
            self.running[uid] = Container(pod, self.config)
            return self.say(pod, "Running", {"running": {"startedAt": now()}})
        if container.over:
            return self.forget(pod) if told else None
        code = container.code()
        if code is None:
            grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
            return container.tell_to_end(grace) if told else None
        container.over = True
        container.kill()
        return self.say(pod, "Failed" if code else "Succeeded", {"terminated": {"exitCode": code, "finishedAt": now(), "startedAt": now()}})

    def say(self, pod, phase, state):
        name = pod["spec"]["containers"][0]["name"]
        is_running = phase == "Running"
        status = {"name": name, "image": "none", "imageID": "none", "ready": is_running, "restartCount": 0, "state": state}
        conditions = [{"type": "Ready", "status": "True" if is_running else "False", "lastTransitionTime": now()}]
        # What others have written of it, a disruption above all, stays.
        kept = [c for c in pod["status"].get("conditions", []) if c["type"] != "Ready"]
        body = {"status": {"phase": phase, "startTime": now(), "containerStatuses": [status], "conditions": kept + conditions}}
        self.api.merge(f"{place(pod)}/status", body)

    def forget(self, pod):
        self.api.ask("DELETE", place(pod), {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})

    def kill(self, uid):
        """The machine's memory is full: no word, no grace."""
        self.running[uid].kill()


def place(pod):
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def main():
    config = json.loads(sys.stdin.readline())
    api = Api(config["server"], config["token"])
    kubelet = Kubelet(api, config)
    kubelet.join_cluster()
    kubelet.start()
    try:
        for line in sys.stdin:
            request = json.loads(line)
            if "kill" in request:
                kubelet.kill(request["kill"])
                answer = {}
            else:
                code, body = api.ask(request["method"], request["path"], request.get("body"))
                answer = {"code": code, "body": body}
            print(json.dumps(answer), flush=True)
    finally:
        for container in list(kubelet.running.values()):
            container.kill()
        api.ask("DELETE", f"/api/v1/nodes/{config['node']}")


main()

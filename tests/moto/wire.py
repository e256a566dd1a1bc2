"""What stands before moto: whose account a call is for, a log of all calls, faults to order, and the control endpoints.

An access key such as `AKIA111122223333KFLT` acts in account 111122223333, so that one server serves tests side by side, an
account each. moto keeps no locks of its own: one call at a time.

A fault is `{"action": "regular expression", "account": …, "region": …, "match": "part of the body", "after": 0, "times": 1}`, the
first that fits counts, and one or more of: `"code"` with `"status"` and `"message"` (an AWS error), `"html"` (an error of something
in between, as text), `"drop"` (the connection is reset), `"truncate"` (half an answer), `"delay_ms"`, and `"apply_first"` (the
change lands, and then the answer is lost in one of these ways).
"""

import io
import json
import re
import socket
import struct
import threading
import time
from urllib.parse import parse_qs, unquote

from moto.autoscaling.models import autoscaling_backends
from moto.iam.models import get_account_id_from

import clock
import ec2
import kubernetes
import life
import quotas
import rights
import real
import scores
import seed

LOCK = threading.RLock()
LOG = []
FAULTS = []

EC2_ERROR = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>'
    "<RequestID>fault-{n}</RequestID></Response>"
)
QUERY_ERROR = (
    '<ErrorResponse xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><Error><Type>Sender</Type><Code>{code}</Code>'
    "<Message>{message}</Message></Error><RequestId>fault-{n}</RequestId></ErrorResponse>"
)
S3_ERROR = "<Error><Code>{code}</Code><Message>{message}</Message><RequestId>fault-{n}</RequestId></Error>"

OWN_KEY = re.compile(r"^AKIA(\d{12})KFLT$")


class Answer:
    """A response that is not sent yet."""

    def __init__(self):
        self.status, self.headers, self.body = "200 OK", [], b""

    def start(self, status, headers, _exc_info=None):
        self.status, self.headers = status, headers

    def send(self, start):
        headers = [(k, v) for k, v in self.headers if k.lower() != "content-length"]
        start(self.status, headers + [("Content-Length", str(len(self.body)))])
        return [self.body]


class Wire:
    def __init__(self, app):
        self.app = app

    def __call__(self, env, start):
        path, method = env.get("PATH_INFO", ""), env["REQUEST_METHOD"]
        raw = env["wsgi.input"].read(int(env.get("CONTENT_LENGTH") or 0))
        env["wsgi.input"] = io.BytesIO(raw)
        if path.startswith(("/x/", "/k8s/")):
            answer = Answer()
            query = {k: v[0] for k, v in parse_qs(env.get("QUERY_STRING", "")).items()}
            with LOCK:
                if path.startswith("/x/"):
                    found, status = control(path[3:], method, json.loads(raw or b"null"), query), "200 OK"
                else:
                    found, status = kubernetes.answer(path, method, json.loads(raw or b"null"), query)
            answer.status, answer.headers = status, [("Content-Type", "application/json")]
            answer.body = json.dumps(found, default=str).encode()
            return answer.send(start)
        call = logged(env, path, method, raw)
        fault = fault_for(call, raw)
        if fault is None:
            return self.ask(env, call).send(start)
        return self.fail(env, start, call, fault)

    def ask(self, env, call):
        answer = Answer()
        with LOCK:
            advance(call["account"])
            answer.body = b"".join(self.app(env, answer.start))
            advance(call["account"])
        call["status"] = int(answer.status.split()[0])
        call["landed"] = call["status"] < 400
        return answer

    def fail(self, env, start, call, fault):
        time.sleep(fault.get("delay_ms", 0) / 1000)
        answer = None
        says = "code" in fault or "html" in fault or fault.get("drop")
        if fault.get("apply_first") or fault.get("truncate") or not says:
            answer = self.ask(env, call)
        call["fault"] = fault.get("code") or next((k for k in ("html", "drop", "truncate") if k in fault), "slow")
        if fault.get("drop"):
            reset(env)
        if "code" in fault or "html" in fault:
            call["status"] = fault.get("status", 400 if "code" in fault else 502)
            form = {"ec2": EC2_ERROR, "s3": S3_ERROR}.get(call["service"], QUERY_ERROR)
            answer = Answer()
            answer.status, answer.headers = f"{call['status']} Fault", [("Content-Type", "text/xml")]
            answer.body = (fault.get("html") or form.format(code=fault["code"], message=fault.get("message", "ordered by a test"), n=call["n"])).encode()
        elif fault.get("truncate"):
            answer.body = answer.body[: len(answer.body) // 2]
        return answer.send(start)


def logged(env, path, method, raw):
    """What is asked, by whom, in the log."""
    scope = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/", env.get("HTTP_AUTHORIZATION", ""))
    key, region, service = scope.groups() if scope else ("", "", "")
    own = OWN_KEY.match(key)
    if own:
        account = own.group(1)
        env["HTTP_X_MOTO_ACCOUNT_ID"] = account
    else:
        account = get_account_id_from(key) if key else ""
    params = {}
    if "x-www-form-urlencoded" in env.get("CONTENT_TYPE", ""):
        params = {k: v[0] for k, v in parse_qs(raw.decode(), keep_blank_values=True).items()}
    target = env.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    action = params.pop("Action", None) or target or f"{method} {unquote(path)}"
    params.pop("Version", None)
    call = {
        "time": time.time(), "account": account, "region": region, "service": service, "key": key, "action": action, "params": params,
        "agent": env.get("HTTP_USER_AGENT", ""), "attempt": env.get("HTTP_AMZ_SDK_REQUEST", ""), "invocation": env.get("HTTP_AMZ_SDK_INVOCATION_ID", ""),
        "fault": None, "status": None, "landed": False,
    }
    with LOCK:
        call["n"] = len(LOG)
        LOG.append(call)
    return call


def fault_for(call, raw):
    with LOCK:
        for fault in FAULTS:
            fits = re.fullmatch(fault.get("action", ".*"), call["action"]) and fault.get("match", "") in raw.decode(errors="replace")
            fits = fits and all(fault.get(k) in (None, call[k]) for k in ("account", "region", "service", "key"))
            if not fits or fault.get("times", 1) <= 0:
                continue
            fault["seen"] = fault.get("seen", 0) + 1
            if fault["seen"] <= fault.get("after", 0):
                continue
            fault["times"] = fault.get("times", 1) - 1
            return fault
    return None


def reset(env):
    """The connection ends as if the other side had died."""
    sock = env["werkzeug.socket"]
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    raise ConnectionResetError("ordered by a test")


def advance(account):
    for backend in list(autoscaling_backends[account].values()) if account in autoscaling_backends else []:
        for group in list(backend.autoscaling_groups.values()):
            life.settle(group)


def control(what, method, body, query):
    body = body if body is not None else {}
    account = query.get("account") or (body.get("account") if isinstance(body, dict) else None)
    mine = (lambda item: account in (None, item.get("account")))
    if what == "faults":
        if method == "POST":
            FAULTS.extend(body if isinstance(body, list) else [body])
        if method == "DELETE":
            FAULTS[:] = [f for f in FAULTS if not mine(f)]
        return [f for f in FAULTS if mine(f)]
    if what == "log":
        found = [c for c in LOG if mine(c)]
        if method == "DELETE":
            LOG[:] = [c for c in LOG if not mine(c)]
        return found
    if what == "clock":
        clock.clock(account).set(body)
    elif what == "tick":
        pass_time(account, body["seconds"])
    elif what == "capacity":
        life.CAPACITY[(account, body["region"])] = body["rules"]
    elif what == "quotas":
        quotas.VALUES[(account, body["region"])] = body["values"]
    elif what == "rights":
        rights.order(account, body)
    elif what == "scores":
        scores.VALUES[(account, body["region"])] = body["values"]
    elif what == "profiles":
        ec2.NO_PROFILES[(account, body["region"])] = body["missing"]
    elif what == "network":
        return seed.network(account, body["region"], body)
    elif what == "balancer":
        return seed.balancer(account, body["region"], body)
    elif what == "classic":
        return seed.classic(account, body["region"], body)
    elif what == "join":
        return real.join((account, body["cluster"]), body, LOCK, advance)
    elif what == "joined":
        return real.seen((account, body["cluster"]))
    elif what == "seed":
        return seed.account(account, body["region"], body)
    elif what == "many":
        return seed.many(account, body["region"], body)
    elif what != "ready":
        return {"error": f"there is no /x/{what}"}
    return {"now": clock.now(account).isoformat()} if account else {}


def pass_time(account, seconds):
    """In steps short enough that nothing which follows from something else comes late."""
    step = 5
    while seconds > 0:
        clock.clock(account).pass_(min(step, seconds))
        seconds -= step
        advance(account)

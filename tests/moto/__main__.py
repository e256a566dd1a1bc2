"""moto 5.2.5 with what it gets wrong about rolling a fleet mended: `python tests/moto PORT` (0: any free one).

Says `ready http://127.0.0.1:PORT` on standard output, serves on loopback only, and ends when standard input ends: whoever
started it, and however that one died, the server goes with it. Which file mends what:

    wire.py        accounts by access key, request log, faults to order, the control endpoints under /x/
    clock.py       what time it is in each account, and how long things take there
    templates.py   EC2 launch templates: paging, filters, client tokens, user data, deleting versions
    groups.py      AutoScalingGroups and what hangs on them: fields, tags, hooks, metrics, warm pools
    life.py        instances: launching, ending, detaching, refused capacity, scaling activities
    refresh.py     instance refreshes
    quotas.py      limits of vCPUs at Service Quotas
    scores.py      Spot placement scores
    rights.py      IAM's policy simulator
    s3.py          what time it is in S3
    ec2.py         DescribeInstances, and tags of instances
    seed.py        an account as kops leaves it, from kfleet's own definitions
    kubernetes.py  the clusters' own APIs: a Ready node for every instance
    real.py        nodes on real servers in its place, where there are any
"""

import os
import sys
import threading

# Twelve hundred images that nobody asked for make every launch slow. Before moto reads its settings.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

import ec2  # noqa: E402, F401
import groups  # noqa: E402, F401
import life  # noqa: E402, F401
import quotas  # noqa: E402, F401
import refresh  # noqa: E402, F401
import rights  # noqa: E402, F401
import s3  # noqa: E402, F401
import scores  # noqa: E402, F401
import templates  # noqa: E402, F401
import wire  # noqa: E402


class Quiet(MotoRequestHandler):
    """A line for every request is what the request log is for."""

    def log_request(self, *_args):
        pass


def end_with_the_caller():
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    app = wire.Wire(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=Quiet)
    threading.Thread(target=end_with_the_caller, daemon=True).start()
    print(f"ready http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

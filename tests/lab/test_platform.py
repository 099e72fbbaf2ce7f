"""The documented platform at work: orders through the Services, archiving, scaling, quotas."""

from __future__ import annotations

import json
import uuid

from orders import ORDER, SHOP, Shop, count_of, order_placed

from harness.drivers.clock import wait_until
from harness.lab.lab import Lab
from harness.lab.platform import INFRASTRUCTURE, primary

READ = """
import sys, urllib.error, urllib.request
try:
    with urllib.request.urlopen(sys.argv[1] + "/orders/" + sys.argv[2], timeout=5) as answer:
        print(answer.status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print("away")
"""

LOAD = """
import concurrent.futures, json, sys, time, urllib.request, uuid
end = time.monotonic() + float(sys.argv[2])
def orders(_):
    done = 0
    while time.monotonic() < end:
        body = json.dumps({"id": str(uuid.uuid4()), "items": [{"sku": "a", "quantity": 1}]})
        request = urllib.request.Request(sys.argv[1] + "/checkout", data=body.encode(),
                                         method="POST")
        try:
            with urllib.request.urlopen(request, timeout=5):
                done += 1
        except OSError:
            pass
    return done
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(orders, range(8))))
"""


def test_an_order_is_in_postgresql_when_it_is_acknowledged(lab: Lab, shop: Shop) -> None:
    """Written through the Service, read in the primary itself; once, however often it is sent."""
    order = order_placed(shop)
    assert shop(ORDER, order).startswith("20")
    assert count_of(lab, order) == "1"
    assert shop(READ, order) == "200"
    assert shop(READ, str(uuid.uuid4())) == "404"


def test_redis_is_a_cluster_of_three_masters_and_replicas(lab: Lab) -> None:
    """All slots are served, and no replica is on its master's node."""
    words = ("exec", "-n", INFRASTRUCTURE, "redis-0", "--", "redis-cli")
    assert "cluster_state:ok" in lab.kubectl.call(*words, "cluster", "info")
    pods = lab.kubectl.get("pods", "-n", INFRASTRUCTURE, "-l", "app=redis")["items"]
    node_of = {pod["status"]["podIP"]: pod["spec"]["nodeName"] for pod in pods}
    lines = [line.split() for line in lab.kubectl.call(*words, "cluster", "nodes").splitlines()]
    host = {line[0]: node_of[line[1].split(":")[0]] for line in lines}
    replicas = [line for line in lines if "slave" in line[2]]
    assert len(replicas) == 3
    assert all(host[line[0]] != host[line[3]] for line in replicas)


def test_wal_is_archived_in_the_s3_outside(lab: Lab) -> None:
    """The archiver itself pushes a segment and finds it in the store."""
    words = ("exec", "-n", INFRASTRUCTURE, primary(lab), "--", "pgbackrest", "--stanza=platform")
    lab.kubectl.call(*words, "check", within_s=120)
    (stanza,) = json.loads(lab.kubectl.call(*words, "info", "--output=json"))
    assert stanza["archive"][0]["max"]


def test_the_quota_refuses_what_is_over_it(lab: Lab) -> None:
    """A pod that asks for all of the namespace's cores is forbidden, and the message says why."""
    quota = lab.kubectl.get("resourcequota", "compute", "-n", "platform-prod")
    cores = quota["spec"]["hard"]["requests.cpu"]
    pod = f"""
apiVersion: v1
kind: Pod
metadata: {{name: greedy}}
spec:
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    seccompProfile: {{type: RuntimeDefault}}
  containers:
  - name: greedy
    image: harness.local/checkout:lab
    imagePullPolicy: IfNotPresent
    resources: {{requests: {{cpu: "{int(cores) + 1}"}}, limits: {{cpu: "{int(cores) + 1}"}}}}
    securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
"""
    refused = lab.kubectl.run("apply", "-n", "platform-prod", "-f", "-", stdin=pod.encode())
    assert refused.returncode != 0
    assert "exceeded quota: compute" in refused.stderr


def test_the_checkout_scales_up_under_load(lab: Lab, shop: Shop) -> None:
    """The HPA wants more than before, and more are ready."""

    def replicas() -> int:
        status = lab.kubectl.get("deployment", "checkout", *SHOP)["status"]
        return int(status.get("readyReplicas", 0))

    before = replicas()
    assert int(shop(LOAD, "75", within_s=180)) > 0
    wait_until(lambda: replicas() > before, within_s=120, what="more replicas ready", every_s=1)

"""Instance refreshes: one batch after the other by the clock, minimum healthy, checkpoints, cancelling, and going back for real."""

import copy

from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult
from moto.moto_api._internal import mock_random

import clock
import groups
import life
from mend import mends, page, refuse

ACTIVE = ("Pending", "InProgress", "Cancelling", "RollbackInProgress")


def refreshes(group):
    return group.__dict__.setdefault("refreshes", [])


def active(group):
    return next((r for r in refreshes(group) if r["Status"] in ACTIVE), None)


def pointer(group):
    """What the group launches from, to be able to go back to it."""
    if group.mixed_instances_policy:
        policy = copy.deepcopy(group.mixed_instances_policy)
        policy["LaunchTemplate"]["LaunchTemplateSpecification"].pop("LaunchTemplateName", None)
        return None, policy
    reference = groups.reference(group)
    reference.pop("LaunchTemplateName")
    return reference, None


def outdated(group):
    number = group.ec2_launch_template.get_version(group.launch_template_version).number
    return [s.instance.id for s in group.instance_states if s.version != number]


@mends(AutoScalingResponse)
def start_instance_refresh(self):
    group = groups.group_of(self)
    if active(group):
        refuse("InstanceRefreshInProgress", "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.")
    preferences, wanted = dict(self._get_param("Preferences") or {}), self._get_param("DesiredConfiguration") or {}
    if groups.truth(preferences.get("AutoRollback", False)) and not wanted:
        refuse("ValidationError", "AutoRollback requires a DesiredConfiguration.")
    before = pointer(group)
    groups.pointed(group, wanted.get("LaunchTemplate"), wanted.get("MixedInstancesPolicy"))
    skip = groups.truth(preferences.get("SkipMatching", False))
    todo, target = outdated(group) if skip else [s.instance.id for s in group.instance_states], pointer(group)
    # The group itself is changed only when the refresh has succeeded.
    groups.pointed(group, *before)
    record = {
        "InstanceRefreshId": str(mock_random.uuid4()), "AutoScalingGroupName": group.name, "Status": "Pending",
        "StartTime": clock.now(group.account_id), "PercentageComplete": 0, "InstancesToUpdate": len(todo), "Preferences": preferences,
        "_todo": todo, "_all": max(len(todo), 1), "_before": before, "_target": target, "_due": clock.now(group.account_id), "_passed": 0,
    }
    if wanted:
        record["DesiredConfiguration"] = wanted
    refreshes(group).insert(0, record)
    return ActionResult({"InstanceRefreshId": record["InstanceRefreshId"]})


@mends(AutoScalingResponse)
def describe_instance_refreshes(self):
    group, wanted = groups.group_of(self), self._get_param("InstanceRefreshIds", []) or []
    found = [r for r in refreshes(group) if not wanted or r["InstanceRefreshId"] in wanted]
    here, token = page(found, self._get_param("NextToken"), self._get_int_param("MaxRecords", 50))
    shown = [{k: v for k, v in r.items() if not k.startswith("_")} for r in here]
    return ActionResult({"InstanceRefreshes": shown, "NextToken": token})


def stopped(response):
    group = groups.group_of(response)
    record = active(group)
    if record is None or record["Status"] in ("Cancelling", "RollbackInProgress"):
        refuse("ActiveInstanceRefreshNotFound", f"No in progress or pending Instance Refresh found for Auto Scaling group {group.name}")
    return group, record


@mends(AutoScalingResponse)
def cancel_instance_refresh(self):
    _, record = stopped(self)
    record["Status"] = "Cancelling"
    return ActionResult({"InstanceRefreshId": record["InstanceRefreshId"]})


@mends(AutoScalingResponse)
def rollback_instance_refresh(self):
    group, record = stopped(self)
    if "DesiredConfiguration" not in record:
        refuse("IrreversibleInstanceRefresh", "The instance refresh has no desired configuration to roll back from.")
    record.update(Status="RollbackInProgress", _todo=outdated(group), PercentageComplete=0, _passed=10**6)
    record.update(InstancesToUpdate=len(record["_todo"]), _all=max(len(record["_todo"]), 1))
    return ActionResult({"InstanceRefreshId": record["InstanceRefreshId"]})


def move(group):
    """Brings the refresh of a group to where it would be now."""
    record, now = active(group), clock.now(group.account_id)
    if record is None:
        return
    if record["Status"] == "Cancelling":
        record.update(Status="Cancelled", EndTime=now)
        return
    if record["Status"] == "Pending":
        record["Status"] = "InProgress"
        return
    here = {s.instance.id for s in group.instance_states}
    record["_todo"] = [i for i in record["_todo"] if i in here]
    done = 100 * (record["_all"] - len(record["_todo"])) // record["_all"]
    settled = len([s for s in group.instance_states if s.lifecycle_state == "InService"]) >= group.desired_capacity
    if not settled:
        record["_due"] = clock.after(group.account_id, int(record["Preferences"].get("InstanceWarmup", 0)))
        return
    if now < record["_due"]:
        return
    record["PercentageComplete"], record["InstancesToUpdate"] = done, len(record["_todo"])
    if not record["_todo"]:
        back = record["Status"] == "RollbackInProgress"
        record.update(Status="RollbackSuccessful" if back else "Successful", EndTime=now, PercentageComplete=100)
        if not back:
            groups.pointed(group, *record["_target"])
        return
    checkpoints = [int(p) for p in record["Preferences"].get("CheckpointPercentages", [])]
    reached = len([p for p in checkpoints if p <= done])
    if reached > record["_passed"]:
        record["_passed"] = reached
        record["_due"] = clock.after(group.account_id, int(record["Preferences"].get("CheckpointDelay", 3600)))
        record["StatusReason"] = f"Waiting for the checkpoint delay after {done}%"
        return
    healthy = int(record["Preferences"].get("MinHealthyPercentage", 90))
    batch = max(1, group.desired_capacity * (100 - healthy) // 100)
    for instance in record["_todo"][:batch]:
        state = next(s for s in group.instance_states if s.instance.id == instance)
        if not state.lifecycle_state.startswith("Terminating"):
            life.end(group, state, "an instance was taken out of service in response to an instance refresh")


launch, settle = life.launch, life.settle


def launch_from_the_target(group, warm=False, zone=None):
    """While a refresh goes forward, whatever is launched runs what it wants."""
    record = active(group)
    if record is None or record["Status"] not in ("Pending", "InProgress"):
        return launch(group, warm, zone)
    groups.pointed(group, *record["_target"])
    try:
        return launch(group, warm, zone)
    finally:
        groups.pointed(group, *record["_before"])


def settle_and_move(group):
    settle(group)
    move(group)


life.launch, life.settle = launch_from_the_target, settle_and_move

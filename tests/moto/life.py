"""The life of instances: launched by desired capacity, type, zone and market as AWS chooses them, ended, detached, refused.

Nothing here happens by itself: `settle` brings a group to where it would be by the clock of its account. It runs before every
call of that account and after everything that changes a group.
"""

import datetime

from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, InstanceState
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.moto_api._internal import mock_random

import clock
from mend import mends, page, refuse

# How many more instances there are of a type in a zone and market: (account, region) → [{type, zone, market, left}].
CAPACITY = {}

WAITING = {"autoscaling:EC2_INSTANCE_LAUNCHING": "Pending:Wait", "autoscaling:EC2_INSTANCE_TERMINATING": "Terminating:Wait"}


def alive(group):
    """Instances that count as capacity."""
    return [s for s in group.instance_states if s.lifecycle_state == "InService" or s.lifecycle_state.startswith("Pending")]


def settle(group):
    now = clock.now(group.account_id)
    for state in list(group.instance_states):
        if state.instance.state in ("terminated", "shutting-down") and not state.lifecycle_state.startswith("Terminating"):
            end(group, state, f"an instance was taken out of service in response to an EC2 health check indicating it has been terminated or stopped")
        elif state.lifecycle_state.startswith("Pending") and now >= state.due:
            state.lifecycle_state = "InService"
            finish(group, state.activity)
        elif state.lifecycle_state.startswith("Terminating") and now >= state.due:
            finish(group, state.activity)
            gone(group, state)
        elif state.health_status == "Unhealthy" and state.lifecycle_state == "InService" and not suspended(group, "ReplaceUnhealthy"):
            end(group, state, "an instance was taken out of service in response to a user health-check")
    balance(group, now)
    size(group, now)
    fill_pool(group)


def suspended(group, process):
    return process in group._suspended_processes


def size(group, now):
    """Launches what is missing, ends what is too much."""
    missing = group.desired_capacity + group.__dict__.get("moving_extra", 0) - len(alive(group))
    due = group.__dict__.get("launch_due")
    if missing <= 0 or suspended(group, "Launch"):
        group.launch_due = None
    elif due is None:
        group.launch_due = now + datetime.timedelta(seconds=clock.clock(group.account_id).decide)
        if now >= group.launch_due:
            size(group, now)
    elif now >= due:
        group.launch_due = None
        for _ in range(missing):
            if not launch(group):
                group.launch_due = clock.after(group.account_id, clock.clock(group.account_id).retry)
                break
    if missing < 0 and not suspended(group, "Terminate"):
        for _ in range(-missing):
            state = choose(group)
            if state is None:
                break
            end(group, state, "a user request changed the desired capacity")


def balance(group, now):
    """Instances in zones that the group no longer has are moved: one more is launched, and when it serves one of them is ended.

    Source: Auto Scaling guide, "Rebalancing activities".
    """
    zones = set(group.availability_zones)
    serving = [s for s in group.instance_states if s.lifecycle_state == "InService"]
    strays = [s for s in serving if s.instance._placement.zone not in zones and not s.protected_from_scale_in]
    due = group.__dict__.get("moving_due")
    if not strays or suspended(group, "AZRebalance"):
        group.moving_due, group.moving_extra = None, 0
    elif due is None:
        group.moving_due = clock.after(group.account_id, clock.clock(group.account_id).balance)
    elif now >= due and len(serving) > group.desired_capacity:
        group.moving_due, group.moving_extra = None, 0
        end(group, strays[0], "instances were launched to balance instances in zones")
    elif now >= due:
        group.moving_extra = 1


# --- warm pools -----------------------------------------------------------------------------------------------------------


def pool_of(group):
    """The instances of its warm pool; what was ended is not among them."""
    group.pool_states = [s for s in group.__dict__.get("pool_states", []) if s.instance.state not in ("terminated", "shutting-down")]
    return group.pool_states


def pool_size(group):
    """Source: Auto Scaling guide, "Warm pool size"."""
    pool = group.warm_pool
    if pool is None:
        return 0
    most = pool.max_group_prepared_capacity
    prepared = group.max_size if most in (None, -1, "-1") else int(most)
    return max(prepared - group.desired_capacity, int(pool.min_size or 0), 0)


def fill_pool(group):
    wanted = pool_size(group)
    while len(pool_of(group)) > wanted:
        pool_of(group).pop(0).instance.terminate()
    while len(pool_of(group)) < wanted and not suspended(group, "Launch") and launch(group, warm=True):
        pass


# --- launching ------------------------------------------------------------------------------------------------------------


def launch(group, warm=False, zone=None):
    """One more instance, or a failed activity. Whether it could be launched. The pool serves first, its oldest instance first; not where a
    zone is named."""
    pool = pool_of(group)
    if pool and not warm and zone is None:
        state = pool.pop(0)
        group.instance_states.append(state)
        boot = clock.clock(group.account_id).boot
        state.lifecycle_state = "Pending" if boot else "InService"
        state.due = clock.after(group.account_id, boot)
        state.activity = activity(group, f"Launching a new EC2 instance from warm pool: {state.instance.id}", "an instance was started in response to a difference between desired and actual capacity")
        if not boot:
            finish(group, state.activity)
        return True
    version = group.ec2_launch_template.get_version(group.launch_template_version)
    subnet = emptiest(group, zone)
    is_named, zone = zone is not None, subnet.availability_zone
    market, types = market_of(group, version)
    kind = next((t for t in types if take(group, t, zone, market)), None)
    if kind is None:
        if not is_named:
            no_capacity(group, types[0], zone, market)
        return False
    # What the launch template says about the instance's tags, moto adds by itself.
    tags = {t["Key"]: t["Value"] for t in group.tags if t["PropagateAtLaunch"]}
    interfaces = version.data.get("NetworkInterfaces") or []
    security_groups = [g for i in interfaces for g in i.get("Groups") or []] or version.data.get("SecurityGroupIds") or []
    reservation = group.ec2_backend.run_instances(
        version.image_id, 1, version.user_data, [], instance_type=kind, tags={"instance": {"aws:autoscaling:groupName": group.name, **tags}},
        placement=zone, region_name=group.region, subnet_id=subnet.id, is_instance_type_default=False, security_group_ids=security_groups,
        launch_template={"LaunchTemplateId": group.ec2_launch_template.id, "Version": str(version.number)},
        lifecycle="spot" if market == "spot" else None, block_device_mappings=None,
    )
    instance = reservation.instances[0]
    instance.launch_time = clock.now(group.account_id)
    instance.autoscaling_group = group
    state = joined(group, instance, version)
    boot = clock.clock(group.account_id).boot
    if warm:
        group.instance_states.remove(state)
        state.lifecycle_state = "Warmed:Stopped"
        pool_of(group).append(state)
        return True
    state.activity = activity(group, f"Launching a new EC2 instance: {instance.id}", "an instance was started in response to a difference between desired and actual capacity")
    if boot or held(group, "autoscaling:EC2_INSTANCE_LAUNCHING"):
        wait = held(group, "autoscaling:EC2_INSTANCE_LAUNCHING")
        state.lifecycle_state = "Pending:Wait" if wait else "Pending"
        state.due = clock.after(group.account_id, boot + wait)
    else:
        finish(group, state.activity)
    return True


def joined(group, instance, version):
    state = InstanceState(instance, protected_from_scale_in=bool(group.new_instances_protected_from_scale_in), autoscaling_group=group)
    state.version = version.number if version else None
    state.template = group.ec2_launch_template if version else None
    state.due, state.activity = clock.now(group.account_id), None
    group.instance_states.append(state)
    return state


def emptiest(group, zone=None):
    """The subnet with the fewest instances, in this zone if one is named, zones and subnets in their order where there is no fewest."""
    subnets = [group.ec2_backend.get_subnet(s) for s in group.vpc_zone_identifier.split(",")]
    subnets = [s for s in subnets if zone in (None, s.availability_zone)]
    subnets.sort(key=lambda s: (s.availability_zone, s.id))
    here = [s.instance._placement.zone for s in alive(group)]
    return min(subnets, key=lambda s: here.count(s.availability_zone))


def market_of(group, version):
    """Whether the next instance is spot, and the types that it may be, the preferred one first."""
    policy = group.mixed_instances_policy
    own = version.instance_type or "m5.large"
    if not policy:
        spot = (version.data.get("InstanceMarketOptions") or {}).get("MarketType") == "spot"
        return ("spot" if spot else "on-demand"), [own]
    listed = [o["InstanceType"] for o in policy["LaunchTemplate"].get("Overrides") or [] if o.get("InstanceType")] or [own]
    distribution = policy["InstancesDistribution"]
    base, percent = distribution["OnDemandBaseCapacity"], distribution["OnDemandPercentageAboveBaseCapacity"]
    above = max(group.desired_capacity - base, 0)
    wanted = min(base, group.desired_capacity) + -(-above * percent // 100)
    have = sum(1 for s in alive(group) if s.instance.lifecycle != "spot")
    if have < wanted:
        return "on-demand", listed
    turn = len(group.instance_states) % len(listed)
    return "spot", listed[turn:] + listed[:turn]


def take(group, kind, zone, market):
    """Whether there is one more of them; takes it if so."""
    for rule in CAPACITY.get((group.account_id, group.region), []):
        if all(rule.get(k) in (None, v) for k, v in (("type", kind), ("zone", zone), ("market", market), ("group", group.name))):
            if rule["left"] <= 0:
                return False
            rule["left"] -= 1
            return True
    return True


def no_capacity(group, kind, zone, market):
    """AWS's words for it."""
    if market == "spot":
        why = "Could not launch Spot Instances. InsufficientInstanceCapacity - There is no Spot capacity available that matches your request. Launching EC2 instance failed."
    else:
        others = ", ".join(z for z in sorted(set(group.availability_zones)) if z != zone)
        why = (
            f"Could not launch On-Demand Instances. InsufficientInstanceCapacity - We currently do not have sufficient {kind} capacity in the "
            f"Availability Zone you requested ({zone}). Our system will be working on provisioning additional capacity. You can currently get "
            f"{kind} capacity by not specifying an Availability Zone in your request or choosing {others}. Launching EC2 instance failed."
        )
    record = activity(group, "Launching a new EC2 instance.  Status Reason: " + why, "an instance was started in response to a difference between desired and actual capacity, increasing the capacity")
    record.update(StatusCode="Failed", StatusMessage=why, EndTime=clock.now(group.account_id), Progress=100)


def held(group, transition):
    """Seconds for which hooks hold an instance up."""
    if not clock.clock(group.account_id).hooks:
        return 0
    hooks = group.autoscaling_backend.describe_lifecycle_hooks(group.name)
    return max((h.heartbeat_timeout for h in hooks if h.lifecycle_transition == transition), default=0)


# --- ending ---------------------------------------------------------------------------------------------------------------


def choose(group):
    """Whom scale-in ends: in the fullest zone, of the oldest launch template version, the oldest. Source: the default termination policy."""
    zones = [s.instance._placement.zone for s in alive(group)]
    candidates = [s for s in alive(group) if not s.protected_from_scale_in]
    return min(candidates, key=lambda s: (-zones.count(s.instance._placement.zone), s.version or 0, s.instance.launch_time, s.instance.id), default=None)


def end(group, state, cause):
    if state.lifecycle_state.startswith("Pending"):
        finish(group, state.activity)
    wait = held(group, "autoscaling:EC2_INSTANCE_TERMINATING")
    state.lifecycle_state = "Terminating:Wait" if wait else "Terminating"
    state.due = clock.after(group.account_id, clock.clock(group.account_id).end + wait)
    state.activity = activity(group, f"Terminating EC2 instance: {state.instance.id}", cause)
    if clock.now(group.account_id) >= state.due:
        finish(group, state.activity)
        gone(group, state)


def gone(group, state):
    if state in group.instance_states:
        group.instance_states.remove(state)
    if state.instance.state != "terminated":
        state.instance.terminate()


def activity(group, what, why):
    now = clock.now(group.account_id)
    record = {
        "ActivityId": str(mock_random.uuid4()), "AutoScalingGroupName": group.name, "AutoScalingGroupARN": group.arn, "Description": what,
        "Cause": f"At {now:%Y-%m-%dT%H:%M:%SZ} {why}.", "StartTime": now, "StatusCode": "InProgress", "Progress": 30, "Details": "{}",
    }
    group.__dict__.setdefault("activities", []).insert(0, record)
    return record


def finish(group, record):
    if record is not None and record["StatusCode"] == "InProgress":
        record.update(StatusCode="Successful", EndTime=clock.now(group.account_id), Progress=100)


# --- the calls ------------------------------------------------------------------------------------------------------------


def shown(state):
    """An instance as DescribeAutoScalingGroups answers it."""
    answer = {
        "InstanceId": state.instance.id, "InstanceType": state.instance.instance_type, "AvailabilityZone": state.instance._placement.zone,
        "LifecycleState": state.lifecycle_state, "HealthStatus": state.health_status, "ProtectedFromScaleIn": bool(state.protected_from_scale_in),
        "ImageId": state.instance.image_id,
    }
    if state.version is not None:
        template = {"LaunchTemplateId": state.template.id, "LaunchTemplateName": state.template.name, "Version": str(state.version)}
        answer["LaunchTemplate"] = template
    return answer


def find(backend, instance_id):
    for group in backend.autoscaling_groups.values():
        for state in group.instance_states:
            if state.instance.id == instance_id:
                return group, state
    return refuse("ValidationError", f"Instance Id not found - No managed instance found for instance ID: {instance_id}")


@mends(AutoScalingResponse)
def describe_auto_scaling_instances(self):
    wanted = self._get_param("InstanceIds", []) or []
    states = [(g, s) for g in self.autoscaling_backend.autoscaling_groups.values() for s in g.instance_states]
    found = [{**shown(s), "AutoScalingGroupName": g.name} for g, s in states if not wanted or s.instance.id in wanted]
    here, token = page(found, self._get_param("NextToken"), self._get_int_param("MaxRecords", 50))
    return ActionResult({"AutoScalingInstances": here, "NextToken": token})


@mends(AutoScalingResponse)
def terminate_instance_in_auto_scaling_group(self):
    group, state = find(self.autoscaling_backend, self._get_param("InstanceId"))
    if state.lifecycle_state.startswith("Terminating"):
        return ActionResult({"Activity": state.activity})
    if self._get_bool_param("ShouldDecrementDesiredCapacity", False):
        if group.desired_capacity - 1 < group.min_size:
            refuse(
                "ValidationError",
                f"Currently, desiredSize equals minSize ({group.min_size}). Terminating instance without replacement will violate group's "
                f"min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
            )
        group.desired_capacity -= 1
    end(group, state, f"instance {state.instance.id} was taken out of service in response to a user request")
    answer = dict(state.activity)
    settle(group)
    return ActionResult({"Activity": answer})


@mends(AutoScalingResponse)
def detach_instances(self):
    group = self.autoscaling_backend.autoscaling_groups.get(self._get_param("AutoScalingGroupName"))
    ids = self._get_param("InstanceIds", [])
    members = {s.instance.id: s for s in (group.instance_states if group else [])}
    for instance in ids:
        if instance not in members:
            refuse("ValidationError", f"The instance {instance} is not part of Auto Scaling group {self._get_param('AutoScalingGroupName')}.")
        if members[instance].lifecycle_state not in ("InService", "Standby"):
            refuse("ValidationError", f"The instance {instance} is not in InService or Standby.")
    if self._get_bool_param("ShouldDecrementDesiredCapacity", False):
        if group.desired_capacity - len(ids) < group.min_size:
            refuse("ValidationError", f"AutoScalingGroup {group.name} has min-size={group.min_size}, and desired-size={group.desired_capacity}. Detaching instances would violate the min size.")
        group.desired_capacity -= len(ids)
    answers = []
    for instance in ids:
        group.instance_states.remove(members[instance])
        group.ec2_backend.tags[instance].pop("aws:autoscaling:groupName", None)
        record = activity(group, f"Detaching EC2 instance: {instance}", f"instance {instance} was detached in response to a user request")
        answers.append(dict(record))
        finish(group, record)
    settle(group)
    return ActionResult({"Activities": answers})


@mends(AutoScalingBackend)
def attach_instances(self, group_name, instance_ids):
    group = self.autoscaling_groups[group_name]
    if group.desired_capacity + len(instance_ids) > group.max_size:
        refuse("ValidationError", f"AutoScalingGroup {group_name} has max-size={group.max_size}, and desired-size={group.desired_capacity}. Attaching would violate the max size.")
    for instance_id in instance_ids:
        instance = self.ec2_backend.get_instance(instance_id)
        instance.autoscaling_group = group
        joined(group, instance, None)
        self.ec2_backend.create_tags([instance_id], {"aws:autoscaling:groupName": group_name})
    group.desired_capacity += len(instance_ids)


@mends(AutoScalingBackend)
def notify_terminate_instances(self, _instance_ids):
    for group in self.autoscaling_groups.values():
        settle(group)


@mends(FakeAutoScalingGroup)
def replace_autoscaling_group_instances(self, _count, _tags):
    settle(self)


@mends(AutoScalingResponse)
def describe_scaling_activities(self):
    name, groups = self._get_param("AutoScalingGroupName"), self.autoscaling_backend.autoscaling_groups
    chosen = [groups[name]] if name in groups else ([] if name else list(groups.values()))
    wanted = self._get_param("ActivityIds", []) or []
    found = [a for g in chosen for a in g.__dict__.get("activities", []) if not wanted or a["ActivityId"] in wanted]
    for rule in self._get_param("Filters", []) or []:
        if rule["Name"] == "StartTimeLowerBound":
            found = [a for a in found if f"{a['StartTime']:%Y-%m-%dT%H:%M:%S}" >= str(rule["Values"][0])[:19]]
        elif rule["Name"] == "Status":
            found = [a for a in found if a["StatusCode"] in rule["Values"]]
    found.sort(key=lambda a: a["StartTime"], reverse=True)
    here, token = page(found, self._get_param("NextToken"), self._get_int_param("MaxRecords", 100))
    return ActionResult({"Activities": here, "NextToken": token})


@mends(AutoScalingResponse)
def complete_lifecycle_action(self):
    _, state = find(self.autoscaling_backend, self._get_param("InstanceId"))
    state.due = clock.now(self.current_account)
    return EmptyResult()


@mends(AutoScalingResponse)
def record_lifecycle_action_heartbeat(self):
    group, state = find(self.autoscaling_backend, self._get_param("InstanceId"))
    hooks = self.autoscaling_backend.describe_lifecycle_hooks(group.name, [self._get_param("LifecycleHookName")])
    if not hooks:
        refuse("ValidationError", "No active Lifecycle Action found")
    state.due = clock.after(self.current_account, hooks[0].heartbeat_timeout)
    return EmptyResult()

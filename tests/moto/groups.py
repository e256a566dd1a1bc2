"""AutoScalingGroups and what hangs on them: every field kept and shown, updates that touch only what they name, AWS's refusals."""

import copy

from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, LifecycleHook
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult

import clock
import life
from mend import mends, page, refuse

METRICS = [
    "GroupAndWarmPoolDesiredCapacity", "GroupAndWarmPoolTotalCapacity", "GroupDesiredCapacity", "GroupInServiceCapacity",
    "GroupInServiceInstances", "GroupMaxSize", "GroupMinSize", "GroupPendingCapacity", "GroupPendingInstances",
    "GroupStandbyCapacity", "GroupStandbyInstances", "GroupTerminatingCapacity", "GroupTerminatingInstances",
    "GroupTotalCapacity", "GroupTotalInstances", "WarmPoolDesiredCapacity", "WarmPoolMinSize", "WarmPoolPendingCapacity",
    "WarmPoolTerminatingCapacity", "WarmPoolTotalCapacity", "WarmPoolWarmedCapacity",
]

PROCESSES = [
    "AZRebalance", "AddToLoadBalancer", "AlarmNotification", "HealthCheck", "InstanceRefresh", "Launch", "ReplaceUnhealthy",
    "ScheduledActions", "Terminate",
]

# Parameters that are kept as they come and shown again. 0 and the like take a value away.
KEPT = {
    "MaxInstanceLifetime": int, "DefaultInstanceWarmup": int, "Context": str, "DesiredCapacityType": str, "PlacementGroup": str,
    "InstanceMaintenancePolicy": dict, "AvailabilityZoneDistribution": dict, "AvailabilityZoneImpairmentPolicy": dict,
    "CapacityReservationSpecification": dict, "InstanceLifecyclePolicy": dict,
}

stock_create = AutoScalingResponse.create_auto_scaling_group
stock_delete = AutoScalingBackend.delete_auto_scaling_group
stock_tags = AutoScalingBackend.create_or_update_tags


def truth(value):
    return str(value).lower() == "true"


def group_of(response, name=None):
    name = name or response._get_param("AutoScalingGroupName")
    group = response.autoscaling_backend.autoscaling_groups.get(name)
    return group or refuse("ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup '{name}' not found")


def check_sizes(least, most, desired):
    if least > most:
        refuse("ValidationError", f"Max bound, {most}, must be greater than or equal to min bound, {least}")
    if not least <= desired <= most:
        refuse("ValidationError", f"Desired capacity:{desired} must be between the specified min size:{least} and max size:{most}")


def kept(group):
    return group.__dict__.setdefault("kept_fields", {})


def keep(response, group):
    for name, kind in KEPT.items():
        value = response._get_param(name)
        if value is None:
            continue
        value = copy.deepcopy(dict(value)) if kind is dict else kind(value)
        if value in (0, ""):
            kept(group).pop(name, None)
        else:
            kept(group)[name] = value


# --- creating, changing, deleting ----------------------------------------------------------------------------------------


def filled(policy, before=None):
    """A mixed instances policy with the defaults that AWS writes into it; of a group that has one already, what its distribution leaves out
    keeps its value. Source: Auto Scaling API reference, UpdateAutoScalingGroup ("properties that you don't specify are not changed") and
    InstancesDistribution, SpotMaxPrice ("to remove a value that you previously set, include the property but specify an empty string")."""
    policy = copy.deepcopy(policy)
    given = {**((before or {}).get("InstancesDistribution") or {}), **(policy.get("InstancesDistribution") or {})}
    if before and not policy.get("LaunchTemplate"):
        # Source: MixedInstancesPolicy, LaunchTemplate: "not required when updating the group".
        policy["LaunchTemplate"] = copy.deepcopy(before["LaunchTemplate"])
        policy["LaunchTemplate"]["LaunchTemplateSpecification"].pop("LaunchTemplateName")
    by_attributes = any(o.get("InstanceRequirements") for o in policy["LaunchTemplate"].get("Overrides") or [])
    given.setdefault("OnDemandAllocationStrategy", "lowest-price" if by_attributes else "prioritized")
    given.setdefault("OnDemandBaseCapacity", 0)
    given.setdefault("OnDemandPercentageAboveBaseCapacity", 100)
    given.setdefault("SpotAllocationStrategy", "lowest-price")
    if given["SpotAllocationStrategy"] == "lowest-price":
        given.setdefault("SpotInstancePools", 2)
    else:
        given.pop("SpotInstancePools", None)
    for number in ("OnDemandBaseCapacity", "OnDemandPercentageAboveBaseCapacity", "SpotInstancePools"):
        if number in given:
            given[number] = int(given[number])
    # AWS does not show a highest price that is the on-demand price.
    if not given.get("SpotMaxPrice"):
        given.pop("SpotMaxPrice", None)
    policy["InstancesDistribution"] = given
    policy["LaunchTemplate"].setdefault("Overrides", [])
    return policy


@mends(FakeAutoScalingGroup)
def set_desired_capacity(self, new_capacity):
    self.desired_capacity = self.min_size if new_capacity is None else int(new_capacity)


@mends(AutoScalingResponse)
def create_auto_scaling_group(self):
    name, groups = self._get_param("AutoScalingGroupName"), self.autoscaling_backend.autoscaling_groups
    if name in groups:
        refuse("AlreadyExists", f"AutoScalingGroup by this name already exists - A group with the name {name} already exists")
    least, most, desired = (self._get_int_param(n) for n in ("MinSize", "MaxSize", "DesiredCapacity"))
    check_sizes(least, most, least if desired is None else desired)
    check_subnets(self)
    # moto writes into what it was given.
    template, policy = copy.deepcopy(self._get_param("LaunchTemplate")), copy.deepcopy(self._get_param("MixedInstancesPolicy"))
    try:
        result = stock_create(self)
        pointed(groups[name], template, policy)
    except Exception:
        groups.pop(name, None)
        raise
    group = groups[name]
    group.created_at = clock.now(group.account_id)
    keep(self, group)
    for tag in group.tags:
        tag["PropagateAtLaunch"] = truth(tag.get("PropagateAtLaunch", False))
    for hook in self._get_param("LifecycleHookSpecificationList", []) or []:
        put_hook(self.autoscaling_backend, name, hook)
    life.settle(group)
    return result


def check_subnets(response):
    for subnet in filter(None, (response._get_param("VPCZoneIdentifier") or "").split(",")):
        if not response.autoscaling_backend.ec2_backend.describe_subnets(filters={"subnet-id": [subnet]}):
            refuse("ValidationError", f"The subnet ID '{subnet}' does not exist")


def pointed(group, template, policy, before=None):
    """Points a group at a launch template or at a policy that holds one: at one of the two."""
    if policy:
        policy = filled(policy, before)
        spec = policy["LaunchTemplate"]["LaunchTemplateSpecification"]
    elif template:
        spec = template
    else:
        return
    if bool(spec.get("LaunchTemplateId")) == bool(spec.get("LaunchTemplateName")):
        refuse("ValidationError", "Valid requests must contain either launchTemplateId or LaunchTemplateName")
    if spec.get("LaunchTemplateId"):
        found = group.ec2_backend.get_launch_template(spec["LaunchTemplateId"])
    else:
        found = group.ec2_backend.get_launch_template_by_name(spec["LaunchTemplateName"])
    version = spec.get("Version") or "$Default"
    try:
        found.get_version(version)
    except Exception:
        refuse("ValidationError", f"You must use a valid fully-formed launch template. Could not find the specified version {version} for the launch template with ID {found.id}.")
    # Source: Auto Scaling guide, "Create a launch template for an Auto Scaling group"; kops issue 10082.
    if policy and (found.get_version(version).data.get("InstanceMarketOptions") or {}).get("MarketType") == "spot":
        refuse("ValidationError", "You cannot use a launch template that is set to request Spot Instances (InstanceMarketOptions) when you configure an Auto Scaling group with a mixed instances policy. Add a different launch template to the group and try again.")
    # What is refused changes nothing.
    group.mixed_instances_policy = policy or None
    group.ec2_launch_template = found
    group.launch_template_version = version
    group.provided_launch_template_version = spec.get("Version")
    if policy:
        policy["LaunchTemplate"]["LaunchTemplateSpecification"] = reference(group)


def reference(group):
    shown = {"LaunchTemplateId": group.ec2_launch_template.id, "LaunchTemplateName": group.ec2_launch_template.name}
    return {**shown, "Version": group.provided_launch_template_version} if group.provided_launch_template_version else shown


@mends(AutoScalingResponse)
def update_auto_scaling_group(self):
    group = group_of(self)
    least, most, desired = (self._get_int_param(n) for n in ("MinSize", "MaxSize", "DesiredCapacity"))
    least = group.min_size if least is None else least
    most = group.max_size if most is None else most
    check_sizes(least, most, max(least, min(most, group.desired_capacity)) if desired is None else desired)
    check_subnets(self)
    subnets, zones = self._get_param("VPCZoneIdentifier"), self._get_param("AvailabilityZones", [])
    if subnets or zones:
        group._set_azs_and_vpcs(zones, subnets, update=True)
    pointed(group, self._get_param("LaunchTemplate"), self._get_param("MixedInstancesPolicy"), group.mixed_instances_policy)
    group.min_size, group.max_size = least, most
    group.desired_capacity = max(least, min(most, group.desired_capacity)) if desired is None else desired
    simple = {
        "DefaultCooldown": ("default_cooldown", int), "HealthCheckType": ("health_check_type", str),
        "HealthCheckGracePeriod": ("health_check_grace_period", int), "TerminationPolicies": ("termination_policies", list),
        "NewInstancesProtectedFromScaleIn": ("new_instances_protected_from_scale_in", truth),
        "CapacityRebalance": ("capacity_rebalance", truth), "ServiceLinkedRoleARN": ("service_linked_role_arn", str),
    }
    for name, (field, kind) in simple.items():
        if self._get_param(name) is not None:
            setattr(group, field, kind(self._get_param(name)))
    keep(self, group)
    life.settle(group)
    return EmptyResult()


@mends(AutoScalingResponse)
def set_desired_capacity(self):  # noqa: F811
    group, desired = group_of(self), self._get_int_param("DesiredCapacity")
    if desired > group.max_size:
        refuse("ValidationError", f"New SetDesiredCapacity value {desired} is above max value {group.max_size} for the AutoScalingGroup.")
    if desired < group.min_size:
        refuse("ValidationError", f"New SetDesiredCapacity value {desired} is below min value {group.min_size} for the AutoScalingGroup.")
    group.desired_capacity = desired
    life.settle(group)
    return EmptyResult()


@mends(AutoScalingResponse)
def launch_instances(self):
    """Source: Auto Scaling API, LaunchInstances; user guide, "Launch instances synchronously". (moto has none.)"""
    group, count, token = group_of(self), self._get_int_param("RequestedCapacity"), self._get_param("ClientToken")
    zones = self._get_param("AvailabilityZones") or []
    told = group.__dict__.setdefault("launches_told", {})
    asked = [count, zones]
    if token in told:
        before, answer = told[token]
        if before != asked:
            refuse("IdempotentParameterMismatch", "The parameters do not match those of an earlier request with this client token.")
        return ActionResult(answer)
    policy = group.mixed_instances_policy
    if policy:
        given = policy["InstancesDistribution"]
        percent = given["OnDemandPercentageAboveBaseCapacity"]
        if percent not in (0, 100) or (percent == 0 and given["OnDemandBaseCapacity"]):
            refuse("ValidationError", "LaunchInstances does not support mixed instances policies with both On-Demand and Spot Instances.")
    if len(set(group.availability_zones)) > 1 and len(zones) != 1:
        refuse("ValidationError", "One Availability Zone or subnet must be named for a group with several Availability Zones.")
    if any(z not in group.availability_zones for z in zones):
        refuse("ValidationError", f"Availability Zone {zones[0]} is not one of the group's.")
    if group.desired_capacity + count > group.max_size:
        refuse("ValidationError", f"{count} more than {group.desired_capacity} instances is above max value {group.max_size} for the AutoScalingGroup.")
    here, errors = {s.instance.id for s in group.instance_states}, []
    zone = zones[0] if zones else group.availability_zones[0]
    for _ in range(count):
        if not life.launch(group, zone=zone):
            version = group.ec2_launch_template.get_version(group.launch_template_version)
            market, types = life.market_of(group, version)
            errors.append({
                "InstanceType": types[0], "MarketType": market, "AvailabilityZone": zone, "ErrorCode": "InsufficientInstanceCapacity",
                "ErrorMessage": f"We currently do not have sufficient {types[0]} capacity in the Availability Zone you requested ({zone}).",
            })
            break
        group.desired_capacity += 1
    new = [s.instance for s in group.instance_states if s.instance.id not in here]
    answer = {
        "AutoScalingGroupName": group.name, "ClientToken": token, "Errors": errors,
        "Instances": [{"InstanceType": i.instance_type, "AvailabilityZone": zone, "InstanceIds": [i.id]} for i in new],
    }
    if new:
        told[token] = (asked, answer)
    return ActionResult(answer)


@mends(AutoScalingResponse)
def delete_auto_scaling_group(self):
    group = group_of(self)
    force = self._get_bool_param("ForceDelete", False)
    if group.instance_states and not force:
        refuse(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.",
        )
    for state in list(group.instance_states):
        life.gone(group, state)
    self.autoscaling_backend.autoscaling_groups.pop(group.name)
    for hook in self.autoscaling_backend.describe_lifecycle_hooks(group.name):
        self.autoscaling_backend.delete_lifecycle_hook(group.name, hook.name)
    return EmptyResult()


# --- showing -------------------------------------------------------------------------------------------------------------


def shown(group, instances=True):
    """A group as DescribeAutoScalingGroups answers it."""
    answer = {
        "AutoScalingGroupName": group.name, "AutoScalingGroupARN": group.arn, "MinSize": group.min_size, "MaxSize": group.max_size,
        "DesiredCapacity": group.desired_capacity, "DefaultCooldown": group.default_cooldown,
        "AvailabilityZones": sorted(set(group.availability_zones)), "LoadBalancerNames": group.load_balancer_names,
        "TargetGroupARNs": group.target_group_arns, "HealthCheckType": group.health_check_type,
        "HealthCheckGracePeriod": group.health_check_grace_period, "CreatedTime": group.created_at,
        "SuspendedProcesses": [
            {"ProcessName": p, "SuspensionReason": f"User suspended at {group.created_at:%Y-%m-%dT%H:%M:%SZ}"}
            for p in group._suspended_processes
        ],
        "VPCZoneIdentifier": group.vpc_zone_identifier or "",
        "EnabledMetrics": [{"Metric": m, "Granularity": "1Minute"} for m in group.metrics], "Tags": group.tags,
        "TerminationPolicies": group.termination_policies,
        "NewInstancesProtectedFromScaleIn": bool(group.new_instances_protected_from_scale_in),
        "ServiceLinkedRoleARN": group.service_linked_role_arn, "CapacityRebalance": bool(group.capacity_rebalance),
        "TrafficSources": [{"Identifier": arn, "Type": "elbv2"} for arn in group.target_group_arns], **kept(group),
        "Instances": [life.shown(s) for s in group.instance_states] if instances else [],
    }
    if group.mixed_instances_policy:
        answer["MixedInstancesPolicy"] = group.mixed_instances_policy
    elif group.ec2_launch_template is not None:
        answer["LaunchTemplate"] = reference(group)
    if group.warm_pool is not None:
        answer["WarmPoolConfiguration"], answer["WarmPoolSize"] = warm_pool(group), len(life.pool_of(group))
    return answer


def warm_pool(group):
    pool = {"MinSize": int(group.warm_pool.min_size), "PoolState": group.warm_pool.pool_state}
    most = group.warm_pool.max_group_prepared_capacity
    # -1 is how "no value" is said.
    return {**pool, "MaxGroupPreparedCapacity": int(most)} if most not in (None, -1, "-1") else pool


@mends(AutoScalingResponse)
def describe_auto_scaling_groups(self):
    size = self._get_int_param("MaxRecords", 50)
    if size > 100:
        refuse("ValidationError", f"1 validation error detected: Value '{size}' at 'maxRecords' failed to satisfy constraint: Member must have value less than or equal to 100")
    for found in self._get_param("Filters", []) or []:
        if found["Name"] not in ("tag-key", "tag-value") and not found["Name"].startswith("tag:"):
            refuse("ValidationError", f"Filter type {found['Name']} is not correct. Allowed Filter types are: tag-key tag-value tag:<key>")
    found = self.autoscaling_backend.describe_auto_scaling_groups(
        self._get_param("AutoScalingGroupNames", []), filters=self._get_param("Filters", [])
    )
    here, token = page(sorted(found, key=lambda g: g.name), self._get_param("NextToken"), size)
    instances = self._get_bool_param("IncludeInstances", True)
    return ActionResult({"AutoScalingGroups": [shown(g, instances) for g in here], "NextToken": token})


# --- tags, processes, metrics, hooks, warm pools, load balancers ------------------------------------------------------------


@mends(AutoScalingResponse)
def create_or_update_tags(self):
    tags = self._get_param("Tags", []) or []
    for tag in tags:
        group_of(self, tag["ResourceId"])
        tag["PropagateAtLaunch"] = truth(tag.get("PropagateAtLaunch", False))
        tag.setdefault("Value", "")
    for tag in tags:
        group = group_of(self, tag["ResourceId"])
        others = [t for t in group.tags if t["Key"] != tag["Key"]]
        group.tags = others + [dict(tag)]
    return EmptyResult()


@mends(AutoScalingResponse)
def delete_tags(self):
    for tag in self._get_param("Tags", []) or []:
        group = group_of(self, tag["ResourceId"])
        group.tags = [t for t in group.tags if t["Key"] != tag["Key"]]
    return EmptyResult()


@mends(AutoScalingResponse)
def describe_tags(self):
    reads = {
        "auto-scaling-group": lambda t: t["ResourceId"], "key": lambda t: t["Key"], "value": lambda t: t["Value"],
        "propagate-at-launch": lambda t: str(bool(t["PropagateAtLaunch"])).lower(),
    }
    tags = [t for g in self.autoscaling_backend.autoscaling_groups.values() for t in g.tags]
    for wanted in self._get_param("Filters", []) or []:
        tags = [t for t in tags if reads[wanted["Name"]](t) in wanted["Values"]]
    here, token = page(tags, self._get_param("NextToken"), self._get_int_param("MaxRecords", 50))
    return ActionResult({"Tags": here, "NextToken": token})


@mends(AutoScalingResponse)
def suspend_processes(self):
    group, wanted = group_of(self), self._get_param("ScalingProcesses", []) or PROCESSES
    for process in wanted:
        if process not in PROCESSES:
            refuse("ValidationError", f"Unrecognized process: {process}")
    group._suspended_processes = sorted({*group._suspended_processes, *wanted})
    return EmptyResult()


@mends(AutoScalingResponse)
def resume_processes(self):
    group, wanted = group_of(self), self._get_param("ScalingProcesses", []) or PROCESSES
    for process in wanted:
        if process not in PROCESSES:
            refuse("ValidationError", f"Unrecognized process: {process}")
    group._suspended_processes = [p for p in group._suspended_processes if p not in wanted]
    life.settle(group)
    return EmptyResult()


@mends(AutoScalingResponse)
def enable_metrics_collection(self):
    group, wanted = group_of(self), self._get_param("Metrics", []) or METRICS
    for metric in wanted:
        if metric not in METRICS:
            refuse("ValidationError", f"1 validation error detected: {metric} is no metric")
    group.metrics = sorted({*group.metrics, *wanted})
    return EmptyResult()


@mends(AutoScalingResponse)
def disable_metrics_collection(self):
    group, unwanted = group_of(self), self._get_param("Metrics", []) or METRICS
    group.metrics = [m for m in group.metrics if m not in unwanted]
    return EmptyResult()


def put_hook(backend, group, given):
    """A hook anew, or the fields that are given of one that is there."""
    name = given["LifecycleHookName"]
    before = next(iter(backend.describe_lifecycle_hooks(group, [name])), None)
    hook = before or LifecycleHook(name, group, given.get("LifecycleTransition"), None, None)
    if before is None:
        hook.role_arn = hook.notification_target_arn = hook.notification_metadata = None
    fields = {
        "LifecycleTransition": ("lifecycle_transition", str), "HeartbeatTimeout": ("heartbeat_timeout", int),
        "DefaultResult": ("default_result", str), "RoleARN": ("role_arn", str),
        "NotificationTargetARN": ("notification_target_arn", str), "NotificationMetadata": ("notification_metadata", str),
    }
    for parameter, (field, kind) in fields.items():
        if given.get(parameter) is not None:
            setattr(hook, field, kind(given[parameter]))
    backend.lifecycle_hooks[f"{group}_{name}"] = hook


@mends(AutoScalingResponse)
def put_lifecycle_hook(self):
    group = group_of(self)
    names = ("LifecycleHookName", "LifecycleTransition", "HeartbeatTimeout", "DefaultResult", "RoleARN", "NotificationTargetARN", "NotificationMetadata")
    put_hook(self.autoscaling_backend, group.name, {n: self._get_param(n) for n in names})
    return EmptyResult()


@mends(AutoScalingResponse)
def describe_lifecycle_hooks(self):
    # Of a group that is not there AWS lists nothing, and refuses nothing.
    group = self.autoscaling_backend.autoscaling_groups.get(self._get_param("AutoScalingGroupName"))
    if group is None:
        return ActionResult({"LifecycleHooks": []})
    shown = [
        {
            "LifecycleHookName": h.name, "AutoScalingGroupName": group.name, "LifecycleTransition": h.lifecycle_transition,
            "HeartbeatTimeout": h.heartbeat_timeout, "DefaultResult": h.default_result, "GlobalTimeout": h.global_timeout,
            **{k: v for k, v in {
                "RoleARN": h.role_arn, "NotificationTargetARN": h.notification_target_arn, "NotificationMetadata": h.notification_metadata,
            }.items() if v},
        }
        for h in self.autoscaling_backend.describe_lifecycle_hooks(group.name, self._get_param("LifecycleHookNames", []))
    ]
    return ActionResult({"LifecycleHooks": shown})


@mends(AutoScalingResponse)
def delete_lifecycle_hook(self):
    group, name = group_of(self), self._get_param("LifecycleHookName")
    if not self.autoscaling_backend.describe_lifecycle_hooks(group.name, [name]):
        refuse("ValidationError", f"No Lifecycle Hook found with name {name}")
    self.autoscaling_backend.delete_lifecycle_hook(group.name, name)
    return EmptyResult()


@mends(AutoScalingResponse)
def describe_warm_pool(self):
    group = group_of(self)
    instances = [life.shown(s) for s in life.pool_of(group)]
    return ActionResult({"Instances": instances, **({"WarmPoolConfiguration": warm_pool(group)} if group.warm_pool else {})})


@mends(AutoScalingResponse)
def delete_warm_pool(self):
    group = group_of(self)
    if group.warm_pool is None:
        refuse("ValidationError", f"No warm pool found for the Auto Scaling group {group.name}")
    group.warm_pool = None
    life.settle(group)
    return EmptyResult()


@mends(AutoScalingResponse)
def attach_load_balancer_target_groups(self):
    group, wanted = group_of(self), self._get_param("TargetGroupARNs", [])
    known = self.autoscaling_backend.elbv2_backend.target_groups
    for arn in wanted:
        if arn not in known:
            refuse("ValidationError", f"Provided Target Groups may not be valid. Please ensure they exist and try again. {arn}")
    group.target_group_arns = sorted({*group.target_group_arns, *wanted})
    return EmptyResult()


@mends(AutoScalingResponse)
def detach_load_balancer_target_groups(self):
    group, unwanted = group_of(self), self._get_param("TargetGroupARNs", [])
    missing = [arn for arn in unwanted if arn not in group.target_group_arns]
    if missing:
        refuse("ValidationError", f"Trying to remove Target Groups that are not part of the group: {missing[0]}")
    group.target_group_arns = [arn for arn in group.target_group_arns if arn not in unwanted]
    return EmptyResult()


@mends(AutoScalingBackend)
def update_attached_target_groups(self, group_name):
    """Health of targets is nothing that these tests look at."""

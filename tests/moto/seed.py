"""An account as kops leaves it, built from kfleet's own definitions: the network and images they name, and the groups."""

import copy
import datetime

from moto.autoscaling.models import autoscaling_backends
from moto.core.types import Base64EncodedString
from moto.ec2.models import ec2_backends
from moto.ec2.utils import parse_user_data
from moto.elb.models import elb_backends
from moto.elbv2.models import elbv2_backends

import clock
import groups
import life

USER_DATA = "IyEvYmluL2Jhc2gKIyBrb3BzCm5vZGV1cAo="


def tagged(backend, resource, name, cluster):
    tags = {"Name": name, **({"KubernetesCluster": cluster, f"kubernetes.io/cluster/{cluster}": "owned"} if cluster else {})}
    backend.create_tags([resource], tags)


def network(account, region, wanted):
    """A VPC with the subnets, security groups, images and target groups named; what is there already stays. Ids by name."""
    ec2, ids = ec2_backends[account][region], {"subnets": {}, "securityGroups": {}, "images": {}, "targetGroups": {}}
    cluster = wanted.get("cluster")
    vpc_name = cluster or "fleet"
    vpc = next((v for v in ec2.vpcs.values() if ec2.tags.get(v.id, {}).get("Name") == vpc_name), None)
    if vpc is None:
        number = sum(1 for v in ec2.vpcs.values())
        vpc = ec2.create_vpc(f"10.{number}.0.0/16")
        tagged(ec2, vpc.id, vpc_name, cluster)
    have = {ec2.tags.get(s.id, {}).get("Name"): s for zone in ec2.subnets.values() for s in zone.values() if s.vpc_id == vpc.id}
    for name in sorted(wanted.get("subnets", [])):
        if name not in have:
            block = vpc.cidr_block.rsplit(".", 2)[0] + f".{16 * len(have)}.0/20"
            have[name] = ec2.create_subnet(vpc.id, block, availability_zone=zone_of(region, name, len(have)))
            tagged(ec2, have[name].id, name, cluster)
        ids["subnets"][name] = have[name].id
    for name in sorted(wanted.get("securityGroups", [])):
        group = ec2.get_security_group_from_name(name, vpc_id=vpc.id) or ec2.create_security_group(name, "as kops makes it", vpc_id=vpc.id)
        tagged(ec2, group.id, name, cluster)
        ids["securityGroups"][name] = group.id
    for name in sorted(wanted.get("images", [])):
        ids["images"][name] = image(ec2, name)
    for name in sorted(wanted.get("targetGroups", [])):
        ids["targetGroups"][name] = target_group(account, region, vpc.id, name)
    return ids


def zone_of(region, name, number):
    """The zone that a subnet's name begins with, where there is one."""
    first = name.split(".")[0]
    return first if first.startswith(region) and first[len(region):] in ("a", "b", "c") else f"{region}{'abc'[number % 3]}"


def image(ec2, name):
    """`OWNER/NAME` as kops writes it; an id stands for itself."""
    if name.startswith("ami-"):
        return name
    owner, _, own_name = name.partition("/")
    found = next((a for a in ec2.amis.values() if a.name == own_name and a.owner_id == owner), None)
    if found is None:
        found = ec2.register_image(own_name)
        found.owner_id, found.public = owner, True
        found.name = own_name
        found.root_device_name = "/dev/sda1"
        found.architecture = "arm64" if "arm64" in own_name else "x86_64"
        # A pattern means the newest: as the names of the distributions say, an image is of the day at their end.
        day = own_name[-8:]
        if day.isdigit():
            found.creation_date = datetime.datetime(int(day[:4]), int(day[4:6]), int(day[6:]))
    return found.id


def target_group(account, region, vpc, name):
    elb = elbv2_backends[account][region]
    found = next((t for t in elb.target_groups.values() if t.name == name), None)
    if found is None:
        # moto refuses two dashes in a row, which kops's names may have where they are cut. Source: ELBv2 API, CreateTargetGroup.
        found = elb.create_target_group(name.replace("--", "-0"), protocol="TCP", port="443", vpc_id=vpc, target_type="instance")
        del elb.target_groups[found.arn]
        found.name, found.arn = name, found.arn.replace(found.name, name)
        elb.target_groups[found.arn] = found
    return found.arn


def balancer(account, region, wanted):
    """A target group as a controller of Services makes it: with these tags, and with these instances registered and no others."""
    elb, ec2 = elbv2_backends[account][region], ec2_backends[account][region]
    vpc = next(iter(ec2.vpcs.values()))
    arn = target_group(account, region, vpc.id, wanted["name"])
    elb.add_tags([arn], [{"Key": key, "Value": value} for key, value in wanted["tags"].items()])
    group = elb.target_groups[arn]
    elb.deregister_targets(arn, [{"Id": id} for id in list(group.targets) if id not in wanted["instances"]])
    elb.register_targets(arn, [{"Id": id, "Port": 30080} for id in wanted["instances"] if id not in group.targets])
    return {"arn": arn}


def classic(account, region, wanted):
    """A classic balancer as the cloud provider makes it for a Service: with these tags, and with these instances registered and no others."""
    elb = elb_backends[account][region]
    if wanted["name"] not in elb.load_balancers:
        ports = [{"Protocol": "tcp", "InstancePort": "30080", "LoadBalancerPort": "80"}]
        subnet = next(s for zones in ec2_backends[account][region].subnets.values() for s in zones.values())
        elb.create_load_balancer(wanted["name"], [], ports, subnets=[subnet.id])
    made = elb.load_balancers[wanted["name"]]
    made.tags = dict(wanted["tags"])
    made.instance_sparse_ids = list(wanted["instances"])
    return {"name": made.name}


def account(account_id, region, body):
    """`groups`: definitions as `kfleet compile --format json` prints them. Version 1 of each template runs, by `$Latest`."""
    made = []
    for definition in body["groups"]:
        group, template = definition["autoScalingGroup"], definition["launchTemplate"]
        tags = {t["Key"]: t["Value"] for t in group["Tags"]}
        data = template["LaunchTemplateData"]
        ids = network(account_id, region, {
            "cluster": tags.get("KubernetesCluster"), "subnets": group["VPCZoneIdentifier"], "images": [data["ImageId"]],
            "securityGroups": [g for i in data["NetworkInterfaces"] for g in i["Groups"] if not g.startswith("sg-")],
            "targetGroups": [t for t in group.get("TargetGroupARNs", []) if not t.startswith("arn:")],
        })
        made.append(one(account_id, region, definition, ids, body))
    return {"groups": made}


def template_data(data, ids, user_data):
    """What kops sends for a definition."""
    data = copy.deepcopy(data)
    data["ImageId"] = ids["images"][data["ImageId"]]
    for device in data["BlockDeviceMappings"]:
        if device["DeviceName"] == "<root>":
            device["DeviceName"] = "/dev/sda1"
    for interface in data["NetworkInterfaces"]:
        interface["Groups"] = [ids["securityGroups"].get(g, g) for g in interface["Groups"]]
        interface["DeviceIndex"] = 0
        if interface.get("Ipv6AddressCount") == 0:
            del interface["Ipv6AddressCount"]
    for specification in data["TagSpecifications"]:
        specification["Tags"] = [{"Key": k, "Value": v} for k, v in specification["Tags"].items()]
    for name in ("BlockDeviceMappings", "NetworkInterfaces", "TagSpecifications"):
        if not data[name]:
            del data[name]
    data["UserData"] = parse_user_data(user_data)
    assert isinstance(data["UserData"], Base64EncodedString)
    return data


def one(account_id, region, definition, ids, body):
    group, template = definition["autoScalingGroup"], definition["launchTemplate"]
    ec2, auto = ec2_backends[account_id][region], autoscaling_backends[account_id][region]
    name = group["AutoScalingGroupName"]
    data = template_data(template["LaunchTemplateData"], ids, body.get("userData", USER_DATA))
    tags = {t["Key"]: t["Value"] for t in group["Tags"]}
    made = ec2.create_launch_template(template["LaunchTemplateName"], "", data, {"launch-template": {"Name": name, **tags}})
    spec = {"LaunchTemplateId": made.id, "Version": body.get("version", "$Latest")}
    policy = group.get("MixedInstancesPolicy")
    if policy:
        policy = {
            "LaunchTemplate": {"LaunchTemplateSpecification": spec, "Overrides": copy.deepcopy(policy.get("Overrides", []))},
            "InstancesDistribution": copy.deepcopy(policy["InstancesDistribution"]),
        }
    subnets = ",".join(ids["subnets"][s] for s in group["VPCZoneIdentifier"])
    created = auto.create_auto_scaling_group(
        name=name, availability_zones=[], desired_capacity=group["MinSize"], max_size=group["MaxSize"], min_size=group["MinSize"],
        launch_config_name=None, launch_template=None if policy else dict(spec), vpc_zone_identifier=subnets, default_cooldown=None,
        health_check_period=None, health_check_type="EC2", load_balancers=list(group.get("LoadBalancerNames", [])),
        target_group_arns=[ids["targetGroups"].get(t, t) for t in group.get("TargetGroupARNs", [])], placement_group=None,
        termination_policies=[], tags=[{**t, "ResourceId": name} for t in copy.deepcopy(group["Tags"])],
        capacity_rebalance=bool(group.get("CapacityRebalance")),
        new_instances_protected_from_scale_in=group["NewInstancesProtectedFromScaleIn"], mixed_instances_policy=copy.deepcopy(policy),
    )
    groups.pointed(created, None if policy else dict(spec), policy)
    created.created_at = clock.now(account_id)
    created.metrics = sorted(group["EnabledMetrics"]["Metrics"])
    created._suspended_processes = sorted(group.get("SuspendedProcesses", []))
    if group.get("MaxInstanceLifetime"):
        groups.kept(created)["MaxInstanceLifetime"] = group["MaxInstanceLifetime"]
    pool = group.get("WarmPool")
    if pool:
        created.put_warm_pool(pool["MaxGroupPreparedCapacity"], pool["MinSize"], "Stopped", None)
    for hook, fields in definition.get("lifecycleHooks", {}).items():
        groups.put_hook(auto, name, {"LifecycleHookName": hook, **fields})
    life.settle(created)
    return name


def many(account_id, region, body):
    """`count` groups of one cluster after one definition, numbered from `first`: for counting calls."""
    made = []
    for number in range(body["first"], body["first"] + body["count"]):
        text = copy.deepcopy(body["definition"])
        own = f"{text['instanceGroup']}-{number:05}"
        cluster = body["cluster"]
        text["instanceGroup"] = own
        text["autoScalingGroup"]["AutoScalingGroupName"] = text["launchTemplate"]["LaunchTemplateName"] = f"{own}.{cluster}"
        for tag in text["autoScalingGroup"]["Tags"]:
            if tag["Key"] == "kops.k8s.io/instancegroup":
                tag["Value"] = own
        made.append(text)
    return account(account_id, region, {**body, "groups": made})

"""Changes by hand, as somebody with boto3 would make them: each owned field in turn, each on a group of its own.

`python drift.py URL REGION KEY=CLUSTER,CLUSTER…` prints a JSON list of `{"group": …, "field": …}`: what a plan has to find, and nothing else.
"""

import json
import sys

import boto3

EDITS = []


def edit(field, kind="any"):
    """An edit of that field, on a group of that kind: mixed, plain (without a policy), or any."""

    def put(function):
        EDITS.append((field, kind, function))
        return function

    return put


def group_edit(field, kind="any", **change):
    edit(field, kind)(lambda hand, group: hand.update(group, **{k: (v(group) if callable(v) else v) for k, v in change.items()}))


def policy_edit(field, change):
    edit(field, "mixed")(lambda hand, group: hand.policy(group, change))


def template_edit(field, change, kind="any"):
    edit(field, kind)(lambda hand, group: hand.template(group, change))


GROUP, TEMPLATE = "autoScalingGroup.", "launchTemplate.LaunchTemplateData."
POLICY = GROUP + "MixedInstancesPolicy."

# --- the group ------------------------------------------------------------------------------------------------------------

group_edit(GROUP + "MinSize", MinSize=lambda g: g["MinSize"] - 1 if g["MinSize"] else 1)
group_edit(GROUP + "MaxSize", MaxSize=lambda g: g["MaxSize"] + 1)
group_edit(GROUP + "VPCZoneIdentifier", "wide", VPCZoneIdentifier=lambda g: ",".join(g["VPCZoneIdentifier"].split(",")[:-1]))
group_edit(GROUP + "NewInstancesProtectedFromScaleIn", NewInstancesProtectedFromScaleIn=True)
group_edit(GROUP + "MaxInstanceLifetime", MaxInstanceLifetime=604_800)
group_edit(GROUP + "CapacityRebalance", CapacityRebalance=True)


def tag(group, key):
    return {**next(t for t in group["Tags"] if t["Key"] == key), "ResourceId": group["AutoScalingGroupName"], "ResourceType": "auto-scaling-group"}


@edit(GROUP + "Tags[customer].Value")
def tag_value(hand, group):
    hand.groups.create_or_update_tags(Tags=[{**tag(group, "customer"), "Value": "somebody else"}])


@edit(GROUP + "Tags[customer].PropagateAtLaunch")
def tag_propagation(hand, group):
    hand.groups.create_or_update_tags(Tags=[{**tag(group, "customer"), "PropagateAtLaunch": False}])


@edit(GROUP + "Tags[customer]")
def tag_gone(hand, group):
    hand.groups.delete_tags(Tags=[tag(group, "customer")])


@edit(GROUP + "EnabledMetrics.Metrics")
def metric_gone(hand, group):
    hand.groups.disable_metrics_collection(AutoScalingGroupName=group["AutoScalingGroupName"], Metrics=["GroupMaxSize"])


@edit(GROUP + "EnabledMetrics")
def metrics_gone(hand, group):
    hand.groups.disable_metrics_collection(AutoScalingGroupName=group["AutoScalingGroupName"])


@edit(GROUP + "EnabledMetrics.Metrics")
def metric_more(hand, group):
    hand.groups.enable_metrics_collection(AutoScalingGroupName=group["AutoScalingGroupName"], Metrics=["GroupTotalCapacity"], Granularity="1Minute")


@edit(GROUP + "SuspendedProcesses")
def suspended(hand, group):
    hand.groups.suspend_processes(AutoScalingGroupName=group["AutoScalingGroupName"], ScalingProcesses=["AlarmNotification"])


@edit(GROUP + "LoadBalancerNames")
def load_balancer(hand, group):
    listener = {"Protocol": "TCP", "LoadBalancerPort": 443, "InstancePort": 443}
    hand.classic.create_load_balancer(LoadBalancerName="by-hand", Listeners=[listener], AvailabilityZones=group["AvailabilityZones"])
    hand.groups.attach_load_balancers(AutoScalingGroupName=group["AutoScalingGroupName"], LoadBalancerNames=["by-hand"])


@edit(GROUP + "TargetGroupARNs")
def target_group(hand, group):
    subnet = group["VPCZoneIdentifier"].split(",")[0]
    vpc = hand.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    made = hand.balancers.create_target_group(Name="by-hand", Protocol="TCP", Port=443, VpcId=vpc, TargetType="instance")
    arns = [t["TargetGroupArn"] for t in made["TargetGroups"]]
    hand.groups.attach_load_balancer_target_groups(AutoScalingGroupName=group["AutoScalingGroupName"], TargetGroupARNs=arns)


@edit(GROUP + "WarmPool")
def warm_pool(hand, group):
    hand.groups.put_warm_pool(AutoScalingGroupName=group["AutoScalingGroupName"], MinSize=0, MaxGroupPreparedCapacity=1)


def hook(hand, group):
    name = group["AutoScalingGroupName"]
    found = hand.groups.describe_lifecycle_hooks(AutoScalingGroupName=name)["LifecycleHooks"][0]
    return {"AutoScalingGroupName": name, "LifecycleHookName": found["LifecycleHookName"]}


@edit("lifecycleHooks", "hooked")
def hook_timeout(hand, group):
    hand.groups.put_lifecycle_hook(**hook(hand, group), LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING", HeartbeatTimeout=60)


@edit("lifecycleHooks", "hooked")
def hook_result(hand, group):
    hand.groups.put_lifecycle_hook(**hook(hand, group), LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING", DefaultResult="ABANDON")


@edit("lifecycleHooks", "hooked")
def hook_gone(hand, group):
    hand.groups.delete_lifecycle_hook(**hook(hand, group))


@edit("lifecycleHooks")
def hook_more(hand, group):
    hand.groups.put_lifecycle_hook(
        AutoScalingGroupName=group["AutoScalingGroupName"], LifecycleHookName="by-hand", LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING",
        HeartbeatTimeout=30, DefaultResult="CONTINUE",
    )


# --- the mixed instances policy --------------------------------------------------------------------------------------------


def distribution(**change):
    return lambda policy: policy["InstancesDistribution"].update(change)


policy_edit(POLICY + "InstancesDistribution.OnDemandBaseCapacity", distribution(OnDemandBaseCapacity=1))
policy_edit(POLICY + "InstancesDistribution.OnDemandPercentageAboveBaseCapacity", distribution(OnDemandPercentageAboveBaseCapacity=50))
policy_edit(POLICY + "InstancesDistribution.SpotAllocationStrategy", distribution(SpotAllocationStrategy="capacity-optimized"))
policy_edit(POLICY + "InstancesDistribution.SpotMaxPrice", distribution(SpotMaxPrice="0.5"))
policy_edit(POLICY + "InstancesDistribution.OnDemandAllocationStrategy", distribution(OnDemandAllocationStrategy="lowest-price"))
policy_edit(POLICY + "Overrides", lambda policy: policy["LaunchTemplate"]["Overrides"].pop())
policy_edit(POLICY + "Overrides", lambda policy: policy["LaunchTemplate"]["Overrides"].reverse())


@edit(GROUP + "MixedInstancesPolicy", "mixed")
def policy_gone(hand, group):
    spec = group["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"]
    hand.update(group, LaunchTemplate={"LaunchTemplateId": spec["LaunchTemplateId"], "Version": spec["Version"]})


# --- the launch template ---------------------------------------------------------------------------------------------------


@edit("launchTemplate.Version", "plain")
def latest(hand, group):
    hand.point(group, "$Latest")


@edit("launchTemplate.Version")
def default(hand, group):
    hand.point(group, "$Default")


def device(**change):
    return lambda data: data["BlockDeviceMappings"][0]["Ebs"].update(change)


def interface(**change):
    return lambda data: data["NetworkInterfaces"][0].update(change)


def options(**change):
    return lambda data: data["MetadataOptions"].update(change)


def value(**change):
    return lambda data: data.update(change)


def tag_of_instances(data):
    found = next(s for s in data["TagSpecifications"] if s["ResourceType"] == "instance")
    next(t for t in found["Tags"] if t["Key"] == "customer")["Value"] = "somebody else"


@edit(TEMPLATE + "ImageId")
def image(hand, group):
    made = hand.ec2.register_image(Name="by-hand", RootDeviceName="/dev/sda1")["ImageId"]
    hand.template(group, value(ImageId=made))


template_edit(TEMPLATE + "InstanceType", value(InstanceType="c5.large"))
template_edit(TEMPLATE + "IamInstanceProfile.Name", value(IamInstanceProfile={"Name": "by-hand"}))
template_edit(TEMPLATE + "BlockDeviceMappings", device(VolumeSize=777))
template_edit(TEMPLATE + "BlockDeviceMappings", device(VolumeType="io2"))
template_edit(TEMPLATE + "BlockDeviceMappings", device(Iops=4000))
template_edit(TEMPLATE + "BlockDeviceMappings", device(Throughput=250))
template_edit(TEMPLATE + "BlockDeviceMappings", device(Encrypted=False))
template_edit(TEMPLATE + "BlockDeviceMappings", device(DeleteOnTermination=False))
template_edit(TEMPLATE + "BlockDeviceMappings", device(KmsKeyId="alias/by-hand"))
# A disk that comes with the instance type would be no difference: kops maps those by itself, and does not compare them.
DISK = {"DeviceName": "/dev/xvdz", "Ebs": {"VolumeSize": 9, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}}
template_edit(TEMPLATE + "BlockDeviceMappings", lambda data: data["BlockDeviceMappings"].append(DISK))
template_edit(TEMPLATE + "MetadataOptions.HttpTokens", options(HttpTokens="optional"))
template_edit(TEMPLATE + "MetadataOptions.HttpPutResponseHopLimit", options(HttpPutResponseHopLimit=7))
template_edit(TEMPLATE + "MetadataOptions.HttpProtocolIpv6", options(HttpProtocolIpv6="enabled"))
template_edit(TEMPLATE + "MetadataOptions.HttpEndpoint", options(HttpEndpoint="disabled"))
template_edit(TEMPLATE + "Monitoring.Enabled", value(Monitoring={"Enabled": True}))
template_edit(TEMPLATE + "NetworkInterfaces", interface(AssociatePublicIpAddress=True))
template_edit(TEMPLATE + "NetworkInterfaces", interface(Ipv6AddressCount=1))
template_edit(TEMPLATE + "NetworkInterfaces", interface(Groups=["sg-0123456789abcdef0"]))
template_edit(TEMPLATE + "CreditSpecification", value(CreditSpecification={"CpuCredits": "unlimited"}))
template_edit(TEMPLATE + "EbsOptimized", value(EbsOptimized=True))
template_edit(TEMPLATE + "KeyName", value(KeyName="by-hand"))
template_edit(TEMPLATE + "Placement", value(Placement={"Tenancy": "dedicated"}))
template_edit(TEMPLATE + "InstanceMarketOptions", value(InstanceMarketOptions={"MarketType": "spot", "SpotOptions": {"MaxPrice": "0.5"}}), "plain")
template_edit(TEMPLATE + "TagSpecifications", tag_of_instances)
template_edit(TEMPLATE + "TagSpecifications", lambda data: data["TagSpecifications"].pop())


class Hand:
    def __init__(self, url, key, region):
        def client(service):
            return boto3.client(service, endpoint_url=url, region_name=region, aws_access_key_id=key, aws_secret_access_key="not checked")

        self.groups, self.ec2, self.balancers, self.classic = client("autoscaling"), client("ec2"), client("elbv2"), client("elb")

    def all(self, clusters):
        found = [g for p in self.groups.get_paginator("describe_auto_scaling_groups").paginate() for g in p["AutoScalingGroups"]]
        mine = [g for g in found if any(t["Key"] == "KubernetesCluster" and t["Value"] in clusters for t in g["Tags"])]
        for group in mine:
            hooks = self.groups.describe_lifecycle_hooks(AutoScalingGroupName=group["AutoScalingGroupName"])["LifecycleHooks"]
            group["kinds"] = {"any", "mixed" if "MixedInstancesPolicy" in group else "plain"}
            group["kinds"] |= {"hooked"} if hooks else set()
            group["kinds"] |= {"wide"} if "," in group["VPCZoneIdentifier"] else set()
        return mine

    def update(self, group, **change):
        self.groups.update_auto_scaling_group(AutoScalingGroupName=group["AutoScalingGroupName"], **change)

    def point(self, group, version):
        """At another version of its launch template, the rest as it is."""
        if "MixedInstancesPolicy" in group:
            self.policy(group, lambda policy: policy["LaunchTemplate"]["LaunchTemplateSpecification"].update(Version=version))
        else:
            self.update(group, LaunchTemplate={"LaunchTemplateId": group["LaunchTemplate"]["LaunchTemplateId"], "Version": version})

    def policy(self, group, change):
        policy = group["MixedInstancesPolicy"]
        policy["LaunchTemplate"]["LaunchTemplateSpecification"].pop("LaunchTemplateName")
        change(policy)
        self.update(group, MixedInstancesPolicy=policy)

    def template(self, group, change):
        """A new version that differs, with the group pinned to it."""
        spec = group["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"] if "MixedInstancesPolicy" in group else group["LaunchTemplate"]
        template, number = spec["LaunchTemplateId"], spec["Version"]
        found = self.ec2.describe_launch_template_versions(LaunchTemplateId=template, Versions=[number])["LaunchTemplateVersions"][0]
        data = found["LaunchTemplateData"]
        change(data)
        made = self.ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData=data)
        self.point(group, str(made["LaunchTemplateVersion"]["VersionNumber"]))


def main():
    url, region, *accounts = sys.argv[1:]
    left, told = [], []
    for key, clusters in (a.split("=") for a in accounts):
        hand = Hand(url, key, region)
        left += [(hand, group) for group in hand.all(clusters.split(","))]
    # The fewest instances first, so that healing has little to replace.
    left.sort(key=lambda pair: (len(pair[1]["kinds"]), pair[1]["DesiredCapacity"], pair[1]["AutoScalingGroupName"]))
    # Edits that not every group can take choose first.
    for field, kind, make in sorted(EDITS, key=lambda e: e[1] == "any"):
        found = next((pair for pair in left if kind in pair[1]["kinds"]), None)
        if found is None:
            sys.exit(f"no {kind} group is left for {field}")
        left.remove(found)
        make(*found)
        told.append({"group": found[1]["AutoScalingGroupName"], "field": field})
    print(json.dumps(told))


if __name__ == "__main__":
    main()

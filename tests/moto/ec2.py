"""DescribeInstances with what a roll looks at, and quickly: moto takes twenty milliseconds for one instance."""

from moto.core.responses import ActionResult
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.responses.subnets import Subnets as SubnetResponse
from moto.ec2.utils import filter_reservations

from mend import mends, page, refuse_ec2


def shown(instance):
    answer = {
        "InstanceId": instance.id, "ImageId": instance.image_id, "State": {"Code": instance.state_code, "Name": instance.state},
        "PrivateDnsName": instance.private_dns_name or "", "InstanceType": instance.instance_type, "LaunchTime": instance.launch_time,
        "Placement": {"AvailabilityZone": instance._placement.zone, "Tenancy": "default"}, "SubnetId": instance.subnet_id,
        "VpcId": instance.vpc_id, "PrivateIpAddress": instance.private_ip, "Architecture": "x86_64",
        "Tags": [{"Key": t["key"], "Value": t["value"]} for t in instance.get_tags()],
    }
    if instance.lifecycle == "spot":
        answer["InstanceLifecycle"] = "spot"
    return answer


def kept(instance, filters):
    """Filters that moto does not know."""
    wanted = filters.get("instance-lifecycle")
    return wanted is None or instance.lifecycle in wanted


@mends(InstanceResponse)
def describe_instances(self):
    self.error_on_dryrun()
    filters = dict(self._filters_from_querystring() or {})
    own = {k: filters.pop(k) for k in ("instance-lifecycle",) if k in filters}
    ids, size = self._get_param("InstanceIds", []) or [], self._get_int_param("MaxResults", 1000)
    if ids and self._get_param("MaxResults"):
        refuse_ec2("InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults")
    reservations = list(self.ec2_backend.reservations.values())
    if ids:
        known = {i.id: r for r in reservations for i in r.instances}
        missing = [i for i in ids if i not in known]
        if missing:
            refuse_ec2("InvalidInstanceID.NotFound", f"The instance ID '{missing[0]}' does not exist")
        reservations = list({id(known[i]): known[i] for i in ids}.values())
    if filters:
        reservations = filter_reservations(self.ec2_backend.all_reservations() if not ids else reservations, filters)
    found = [(r, i) for r in reservations for i in r.instances if kept(i, own) and (not ids or i.id in ids)]
    here, token = page(found, self._get_param("NextToken"), size)
    return ActionResult({
        "Reservations": [{"ReservationId": r.id, "OwnerId": r.owner_id, "Instances": [shown(i)]} for r, i in here], "NextToken": token,
    })


# Instance profiles that there are not, by account and region: those of clusters are not made in moto. Ordered under /x/profiles, as
# `{"region": …, "missing": [NAME]}`.
NO_PROFILES = {}


@mends(InstanceResponse)
def run_instances(self):
    """Only tried. Source: EC2 API reference, RunInstances (DryRun) and its error codes."""
    if not self._get_param("DryRun"):
        refuse_ec2("UnauthorizedOperation", "Launches are those of Auto Scaling.")
    profile = self._get_param("IamInstanceProfile.Name")
    if profile in NO_PROFILES.get((self.current_account, self.region), []):
        refuse_ec2("InvalidParameterValue", f"Value ({profile}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name")
    for interface in self._get_param("NetworkInterfaces", []):
        self.ec2_backend.get_subnet(interface["SubnetId"])
        for group in interface.get("Groups") or interface.get("SecurityGroupId") or []:
            if not self.ec2_backend.get_security_group_from_id(group):
                refuse_ec2("InvalidGroup.NotFound", f"The security group '{group}' does not exist")
    self.error_on_dryrun()


described = LaunchTemplates.describe_launch_templates


@mends(LaunchTemplates)
def describe_launch_templates(self):
    """With the tags that were put on them later."""
    result = described(self)
    for item in result.result["LaunchTemplates"]:
        tags = self.ec2_backend.launch_templates[item["LaunchTemplateId"]].get_tags()
        item["Tags"] = [{"Key": t["key"], "Value": t["value"]} for t in tags]
    return result


modified = SubnetResponse.modify_subnet_attribute


@mends(SubnetResponse)
def modify_subnet_attribute(self):
    """How instances are named is kept: kops looks at it. Source: EC2 API reference, ModifySubnetAttribute."""
    kind = self._get_param("PrivateDnsHostnameTypeOnLaunch")
    if kind:
        subnet = self.ec2_backend.get_subnet(self._get_param("SubnetId"))
        subnet.private_dns_name_options_on_launch["HostnameType"] = kind
    return modified(self)

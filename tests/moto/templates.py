"""EC2 launch templates as AWS has them: pages, filters, inheritance, client tokens, versions that can be deleted and launched."""

import copy
import json

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import parse_user_data

from mend import mends, page, refuse_ec2

# What a client token was used for: the parameters, and the answer to give again.
TOKENS = {}

stock_create = LaunchTemplates.create_launch_template
stock_create_version = LaunchTemplates.create_launch_template_version
stock_describe = LaunchTemplates.describe_launch_templates
stock_describe_versions = LaunchTemplates.describe_launch_template_versions
stock_get_version = LaunchTemplate.get_version
stock_delete = LaunchTemplates.delete_launch_template


def once(response, make):
    """The same token and parameters get the first answer again; the same token with others is refused."""
    token = response._get_param("ClientToken")
    if not token:
        return make()
    said = {k: v for k, v in response.querystring.items() if k != "ClientToken"} if response.querystring else response._get_params()
    said = json.dumps(said, sort_keys=True, default=str)
    key = (response.current_account, response.region, token)
    if key not in TOKENS:
        result = make()
        TOKENS[key] = (said, copy.deepcopy(result.result))
        return result
    first, answer = TOKENS[key]
    if first != said:
        refuse_ec2("IdempotentParameterMismatch", f"Client token already used with different parameters: {token}")
    return ActionResult(copy.deepcopy(answer))


def deleted(template):
    """Numbers of its versions that were deleted; they are never given again."""
    return template.__dict__.setdefault("deleted_versions", set())


def template_of(response):
    name, number = response._get_param("LaunchTemplateName"), response._get_param("LaunchTemplateId")
    if name:
        return response.ec2_backend.get_launch_template_by_name(name)
    return response.ec2_backend.get_launch_template(number)


def with_param(response, name, value, call):
    """Calls with one parameter replaced."""
    real = response._get_param
    response._get_param = lambda n, d=None: value if n == name else real(n, d)
    try:
        return call(response)
    finally:
        response._get_param = real


@mends(LaunchTemplate)
def get_version(self, num):
    gone = deleted(self)
    if str(num).lower() == "$latest":
        return next(v for v in reversed(self.versions) if v.number not in gone)
    if str(num).isdigit() and (int(num) in gone or int(num) == 0):
        refuse_ec2("InvalidLaunchTemplateId.VersionNotFound", f"Could not find the specified version {num} for the launch template with ID {self.id}.")
    return stock_get_version(self, num)


LaunchTemplate.latest_version = lambda self: self.get_version("$Latest")


@mends(LaunchTemplates)
def create_launch_template(self):
    def make():
        # moto copies the template's own tags into what its first version holds.
        result = stock_create(self)
        template = self.ec2_backend.get_launch_template(result.result["LaunchTemplate"]["LaunchTemplateId"])
        data = template.versions[0].data
        if data.get("UserData") is None:
            data.pop("UserData", None)
        kept = [t for t in data.get("TagSpecifications", []) if t.get("ResourceType") != "launch-template"]
        data.pop("TagSpecifications", None)
        if kept:
            data["TagSpecifications"] = kept
        return result

    return once(self, make)


@mends(LaunchTemplates)
def create_launch_template_version(self):
    def make():
        template = template_of(self)
        data = dict(self._get_param("LaunchTemplateData", {}) or {})
        source = self._get_param("SourceVersion")
        if source:
            data = {**template.get_version(source).data, **data}
        # As text, moto would refuse to launch from it later.
        if data.get("UserData") is not None and not isinstance(data["UserData"], Base64EncodedString):
            data["UserData"] = parse_user_data(data["UserData"])
        result = with_param(self, "LaunchTemplateData", data, stock_create_version)
        result.result["LaunchTemplateVersion"]["CreateTime"] = template.versions[-1].create_time
        return result

    return once(self, make)


@mends(LaunchTemplates)
def delete_launch_template(self):
    self.error_on_dryrun()
    template = template_of(self)
    for key in [k for k, (_, answer) in TOKENS.items() if template.id in json.dumps(answer, default=str)]:
        del TOKENS[key]
    return with_param(self, "LaunchTemplateName", template.name, stock_delete)


@mends(LaunchTemplates)
def delete_launch_template_versions(self):
    template = template_of(self)
    done, refused = [], []
    for number in self._get_param("Versions", []):
        answer = {"LaunchTemplateId": template.id, "LaunchTemplateName": template.name, "VersionNumber": int(number)}
        exists = any(v.number == int(number) for v in template.versions) and int(number) not in deleted(template)
        if not exists:
            error = {"Code": "launchTemplateVersionDoesNotExist", "Message": f"The launch template version {number} does not exist."}
            refused.append({**answer, "ResponseError": error})
        elif template.default_version_number == int(number):
            error = {"Code": "operationNotPermitted", "Message": "The default version of a launch template cannot be deleted."}
            refused.append({**answer, "ResponseError": error})
        else:
            deleted(template).add(int(number))
            done.append(answer)
    return ActionResult({"SuccessfullyDeletedLaunchTemplateVersions": done, "UnsuccessfullyDeletedLaunchTemplateVersions": refused})


def paged(response, stock, key, default, keep):
    """moto cuts at MaxResults and never says that there is more."""
    real = response._get_int_param
    response._get_int_param = lambda n, d=None: 10**9 if n == "MaxResults" else real(n, d)
    try:
        result = stock(response)
    finally:
        response._get_int_param = real
    items = [i for i in result.result[key] if keep(i)]
    result.result[key], result.result["NextToken"] = page(items, response._get_param("NextToken"), real("MaxResults", default))
    return result


@mends(LaunchTemplates)
def describe_launch_templates(self):
    wanted = self._get_param("LaunchTemplateIds", []) or []
    for number in wanted:
        self.ec2_backend.get_launch_template(number)
    return paged(self, stock_describe, "LaunchTemplates", 200, lambda _: True)


@mends(LaunchTemplates)
def describe_launch_template_versions(self):
    fields = {"image-id": "ImageId", "instance-type": "InstanceType"}
    filters = [(fields[f["Name"]], f["Values"]) for f in self._get_param("Filters", []) or [] if f["Name"] in fields]
    templates = self.ec2_backend.launch_templates

    def keep(item):
        gone = item["VersionNumber"] in deleted(templates[item["LaunchTemplateId"]])
        return not gone and all(item["LaunchTemplateData"].get(field) in values for field, values in filters)

    return paged(self, stock_describe_versions, "LaunchTemplateVersions", 200, keep)

"""Limits of vCPUs of EC2 at Service Quotas: moto has those of VPC only. Ordered by account under /x/quotas, as `{"region": …, "values": {CODE: vCPUs}}`."""

import json

from moto.servicequotas.exceptions import NoSuchResource
from moto.servicequotas.responses import ServiceQuotasResponse

from mend import mends

# What an account has been given, by account and region; without that it has a default, which only the other call tells.
VALUES = {}
DEFAULT = 10_000.0


def asked(self):
    params = json.loads(self.body)
    if params.get("ServiceCode") != "ec2":
        raise NoSuchResource
    return params["QuotaCode"]


def told(code, value):
    return json.dumps({"Quota": {"ServiceCode": "ec2", "QuotaCode": code, "Value": value, "Unit": "None", "Adjustable": True}})


@mends(ServiceQuotasResponse)
def get_service_quota(self):
    code = asked(self)
    given = VALUES.get((self.current_account, self.region), {})
    if code not in given:
        raise NoSuchResource
    return told(code, float(given[code]))


@mends(ServiceQuotasResponse)
def get_aws_default_service_quota(self):
    return told(asked(self), DEFAULT)

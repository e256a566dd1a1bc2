"""IAM's policy simulator, which moto has not. Ordered by account under /x/rights, as `{"denied": [RIGHT, …]}`; `{"asked": false}`: nobody may ask;
`{"session": ROLE, "path": PATH}`: the caller is a session of that role, which has that path."""

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse
from moto.sts.responses import TokenResponse

from mend import mends

# What an account does not allow whoever it is asked about.
DENIED = {}
# Accounts in which nobody may ask.
SILENT = set()
# The role, and its path, of whom an account takes every caller for.
SESSIONS = {}

# What is asked on a page; few, so that more than one page is read.
SIZE = 7


def order(account, body):
    """What an account says from now on."""
    DENIED[account] = body.get("denied", [])
    (SILENT.discard if body.get("asked", True) else SILENT.add)(account)
    if "session" in body:
        SESSIONS[account] = (body["session"], body["path"])


def listed(params, name):
    """A list of the query protocol, in its order."""
    found = []
    while (value := params.get(f"{name}.member.{len(found) + 1}")) is not None:
        found.append(value[0])
    return found


def refuse(code, message):
    """An error of IAM's."""
    raise type("Refused", (ServiceException,), {"code": code})(message)


known_caller = TokenResponse.get_caller_identity
known_role = IamResponse.get_role


@mends(TokenResponse)
def get_caller_identity(self):
    account = self.current_account
    if account not in SESSIONS:
        return known_caller(self)
    role, _ = SESSIONS[account]
    return ActionResult({"UserId": "AROA:anna", "Account": account, "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/anna"})


@mends(IamResponse)
def get_role(self):
    account, name = self.current_account, self._get_param("RoleName")
    if account not in SESSIONS and account not in SILENT:
        return known_role(self)
    role, path = SESSIONS.get(account, (None, ""))
    if name != role or account in SILENT:
        refuse("AccessDenied", "not authorized to perform: iam:GetRole")
    arn = f"arn:aws:iam::{account}:role{path}{name}"
    return ActionResult({"Role": {"Path": path, "RoleName": name, "RoleId": "AROA", "Arn": arn, "CreateDate": "2026-01-01T00:00:00Z"}})


@mends(IamResponse)
def simulate_principal_policy(self):
    account = self.current_account
    if account in SILENT:
        refuse("AccessDenied", "not authorized to perform: iam:SimulatePrincipalPolicy")
    params = self.querystring
    role, path = SESSIONS.get(account, (None, ""))
    if role and not params["PolicySourceArn"][0].endswith(f"role{path}{role}"):
        refuse("NoSuchEntity", "Policy source entity doesn't exist.")
    denied = DENIED.get(account, [])
    asked = [(r, on) for r in listed(params, "ActionNames") for on in listed(params, "ResourceArns")]
    start = int((params.get("Marker") or ["0"])[0])
    results = [
        {
            "EvalActionName": right,
            "EvalResourceName": on,
            "EvalDecision": "implicitDeny" if right in denied else "allowed",
            "MissingContextValues": [],
        }
        for right, on in asked[start : start + SIZE]
    ]
    answer = {"EvaluationResults": results, "IsTruncated": start + SIZE < len(asked)}
    if answer["IsTruncated"]:
        answer["Marker"] = str(start + SIZE)
    return ActionResult(answer)

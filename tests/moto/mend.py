"""How moto's classes are mended, and how AWS says no."""

from moto.autoscaling.exceptions import AutoscalingClientError, ValidationError
from moto.ec2.exceptions import EC2ClientError


def mends(owner):
    """Puts a function in the place of the method of its own name."""

    def put(function):
        setattr(owner, function.__name__, function)
        return function

    return put


def refuse(code, message):
    """An error of the Auto Scaling API."""
    if code == "ValidationError":
        raise ValidationError(message)
    raise type(code, (AutoscalingClientError,), {"code": code})(message)


def refuse_ec2(code, message):
    """An error of the EC2 API."""
    raise type("Refused", (EC2ClientError,), {"code": code})(message)


def page(items, token, size):
    """One page of a list, and the token of the next."""
    try:
        start = int(token or 0)
    except ValueError:
        refuse("InvalidNextToken", "The token is invalid.")
    after = start + size
    return items[start:after], (str(after) if after < len(items) else None)

"""What time it is in each account, and how long things take there.

By default it is now, and everything happens at once. A test that has to see the phases of an instance's life stops the clock
of its account (`frozen`), gives things a length, and lets time pass by /x/tick. Accounts do not share a clock, so tests that
run side by side do not move each other's instances.
"""

import datetime


class Clock:
    def __init__(self):
        self.offset = datetime.timedelta()
        self.frozen_at = None
        # Seconds: until a launch that was decided begins; until an instance is in service; until it is gone; between two
        # tries of a launch that was refused.
        self.decide = 0.0
        self.boot = 0.0
        self.end = 0.0
        self.retry = 60.0
        # Until AWS looks at the balance of zones.
        self.balance = 120.0
        # Whether lifecycle hooks hold an instance up for their heartbeat.
        self.hooks = False

    def now(self):
        base = self.frozen_at or datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        return base + self.offset

    def set(self, wanted):
        """Takes the values that are given."""
        if wanted.get("frozen") and self.frozen_at is None:
            self.frozen_at = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None, microsecond=0)
        for name in ("decide", "boot", "end", "retry", "balance", "hooks"):
            if name in wanted:
                setattr(self, name, wanted[name])

    def pass_(self, seconds):
        self.offset += datetime.timedelta(seconds=seconds)


CLOCKS = {}


def clock(account):
    return CLOCKS.setdefault(account, Clock())


def now(account):
    return clock(account).now()


def after(account, seconds):
    return now(account) + datetime.timedelta(seconds=seconds)

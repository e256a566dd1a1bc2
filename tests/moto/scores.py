"""GetSpotPlacementScores: not there in moto. Scores by the id of a zone, 8 where nothing is ordered under /x/scores, as `{"region": …, "values": {ZONE ID: SCORE}}`."""

from moto.core.responses import ActionResult
from moto.ec2.responses.spot_instances import SpotInstances

from mend import mends, refuse_ec2

VALUES = {}
DEFAULT = 8


@mends(SpotInstances)
def get_spot_placement_scores(self):
    regions = self._get_param("RegionNames", []) or [self.region]
    if not self._get_param("TargetCapacity") or regions != [self.region]:
        refuse_ec2("InvalidParameterValue", "A capacity and this region have to be named.")
    given = VALUES.get((self.current_account, self.region), {})
    ids = sorted({s.availability_zone_id for s in self.ec2_backend.describe_subnets()})
    scores = [{"Region": self.region, "AvailabilityZoneId": zone, "Score": given.get(zone, DEFAULT)} for zone in ids]
    return ActionResult({"SpotPlacementScores": scores})

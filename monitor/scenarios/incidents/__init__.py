"""The incident library: one small file an incident, over the shared stage, cast and clean flow."""

from monitor.scenarios.incidents.allston import ALLSTON
from monitor.scenarios.incidents.citadel_resend import CITADEL_RESEND
from monitor.scenarios.incidents.citi_basket import CITI_BASKET
from monitor.scenarios.incidents.clean_days import CLEAN_DAYS
from monitor.scenarios.incidents.deutsche_osaka import DEUTSCHE_OSAKA
from monitor.scenarios.incidents.everbright import EVERBRIGHT
from monitor.scenarios.incidents.goldman_options import GOLDMAN_OPTIONS
from monitor.scenarios.incidents.hanmag import HANMAG
from monitor.scenarios.incidents.infinium_crude import INFINIUM_CRUDE
from monitor.scenarios.incidents.infinium_emini import INFINIUM_EMINI
from monitor.scenarios.incidents.jcom import JCOM
from monitor.scenarios.incidents.knight_variants import (
    KNIGHT_NO_PARENT_ID,
    KNIGHT_RANDOM_PARENT_ID,
    KNIGHT_RESTART_AT_0940,
)
from monitor.scenarios.incidents.marquette import MARQUETTE
from monitor.scenarios.incidents.merrill_limits import MERRILL_LIMITS
from monitor.scenarios.incidents.messy_day import MESSY_DAY
from monitor.scenarios.incidents.nyse_busts import NYSE_BUSTS
from monitor.scenarios.incidents.prop303 import PROP303
from monitor.scenarios.incidents.tower_units import TOWER_UNITS
from monitor.scenarios.incidents.traditum import TRADITUM
from monitor.scenarios.incidents.two_ats import TWO_ATS
from monitor.scenarios.incidents.ubs_facebook import UBS_FACEBOOK

INCIDENTS = (
    KNIGHT_NO_PARENT_ID,
    KNIGHT_RANDOM_PARENT_ID,
    KNIGHT_RESTART_AT_0940,
    INFINIUM_EMINI,
    INFINIUM_CRUDE,
    DEUTSCHE_OSAKA,
    UBS_FACEBOOK,
    CITADEL_RESEND,
    EVERBRIGHT,
    GOLDMAN_OPTIONS,
    HANMAG,
    CITI_BASKET,
    JCOM,
    MERRILL_LIMITS,
    PROP303,
    TRADITUM,
    ALLSTON,
    MARQUETTE,
    TOWER_UNITS,
    TWO_ATS,
    NYSE_BUSTS,
    *CLEAN_DAYS,
    MESSY_DAY,
)

__all__ = ["INCIDENTS"]

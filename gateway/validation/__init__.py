"""Validation: what an event must be, what is mended in it, and what is said of the rest.

    judge      one event in, accepted or refused out                    the way through all below
    calls      the same for a call of eSputnik's API; names, statuses and api_values are its own
    catalogue  the schemas of `schemas/`, by event name
    contract   one schema at work: fits, mended, what is wrong
    envelope   the caller's own id and time of sending                  opened, not sent on
    forms      simple, tagged and REST form of one event, to REST
    general_info, identity                                              name, site, time, who
    repair     one walk along the schema; values holds the repairs, times the reading of times
    messages   every sentence; finding is what they come in

All of it is pure: no clock, no I/O after the schemas are read.
"""

from gateway.validation.calls import BadOrder, CallJudge, Part, Taken
from gateway.validation.catalogue import Catalogue
from gateway.validation.finding import Finding
from gateway.validation.judge import Accepted, Judge, Refused
from gateway.validation.plugins import is_plugin_log
from gateway.validation.statuses import status_map

__all__ = [
    "Accepted",
    "BadOrder",
    "CallJudge",
    "Catalogue",
    "Finding",
    "Judge",
    "Part",
    "Refused",
    "Taken",
    "is_plugin_log",
    "status_map",
]

"""Mends what GeneralInfo says of the event itself: its name, its site, its time. In place, with warnings."""

from collections.abc import Collection
from typing import Any

from gateway.identifiers import text_of
from gateway.validation.finding import Finding
from gateway.validation.forms import ALIASES, is_unknown
from gateway.validation.repair import warn
from gateway.validation.times import EARLIEST, event_time
from gateway.validation.values import written_anew

_NOT_FOUND = {"404": "NotFound"}
"""The CMS Integration Guide names the page type by its number; the event's name is another."""

_UNTOLD = frozenset(["datetime_filled", "datetime_replaced"])

Info = dict[str, Any]


def general_info(event: dict[str, Any]) -> Info | None:
    """Return a copy of GeneralInfo, empty where the event has none; None where it is no object."""
    info = event.get("GeneralInfo")
    if is_unknown(info) or info == []:
        return {}
    return dict(info) if isinstance(info, dict) else None


def mend_name(
    info: Info, event: dict[str, Any], known: Collection[str], findings: list[Finding]
) -> str | None:
    """Return the event's known name, from its one block if GeneralInfo has none; None where there is none."""
    raw = info.get("eventName")
    if is_unknown(raw):
        blocks = [name for name in known if name in event]
        if len(blocks) != 1:
            return None
        info["eventName"] = blocks[0]
        warn(findings, "/GeneralInfo/eventName", "event_name_filled")
        return blocks[0]
    text = text_of(raw) or ""
    name = _NOT_FOUND.get(text) or ALIASES.get(text, text)
    if name not in known:
        return None
    if text in _NOT_FOUND:
        warn(findings, "/GeneralInfo/eventName", "event_name_replaced")
    elif text != raw:
        warn(findings, "/GeneralInfo/eventName", written_anew(raw))
    info["eventName"] = name
    return name


def mend_site(info: Info, names: tuple[str, ...], findings: list[Finding]) -> bool:
    """Return whether the event is for the site of these ids, as far as it says; one that says nothing is."""
    raw = info.get("siteId")
    if is_unknown(raw):
        info["siteId"] = names[0]
        warn(findings, "/GeneralInfo/siteId", "site_id_filled")
        return True
    text = text_of(raw)
    if text is None:  # of another type: the schema refuses it
        return True
    if text != raw:
        info["siteId"] = text
        warn(findings, "/GeneralInfo/siteId", written_anew(raw))
    return text in names


def mend_time(info: Info, sent_at: int | None, now_ms: int, ahead_ms: int, findings: list[Finding]) -> int:
    """Return when it happened, by our clock: epoch milliseconds from 2000 to `ahead_ms` after `now_ms`.

    `sent_at` is the time of sending by the sender's clock, which then counts as `now_ms`.
    """
    moment, code = event_time(info.get("datetime"), now_ms)
    if sent_at is not None and code not in _UNTOLD:
        moment += now_ms - sent_at
    if moment < EARLIEST:
        moment, code = now_ms, "datetime_replaced"
    elif moment > now_ms + ahead_ms:
        moment, code = now_ms + ahead_ms, "datetime_in_future"
    if code is not None:
        warn(findings, "/GeneralInfo/datetime", code)
    info["datetime"] = moment
    return moment

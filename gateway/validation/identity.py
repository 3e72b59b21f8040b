"""Who an event is about, by its own account: GeneralInfo's identifiers, mended and screened. Pure."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from gateway import identifiers
from gateway.identifiers import LONGEST, text_of
from gateway.validation.finding import Finding
from gateway.validation.forms import is_unknown
from gateway.validation.repair import warn
from gateway.validation.values import written_anew

Screen = Callable[[object], str | None]

PLACES = frozenset(
    f"/GeneralInfo/{name}" for name in ("cookies/sc", "externalCustomerId", "user_email", "user_phone")
)
"""Where identifiers stand; what is to be said of them is said here, not by the schema."""


class Identity(NamedTuple):
    """Identifiers that name somebody; None where the event gives none that does."""

    cookie: str | None
    customer: str | None
    email: str | None
    phone: str | None


class Identifier(NamedTuple):
    """One kind of identifier: how it is screened, and what is said of it."""

    screen: Screen
    rewritten: str
    """Code of the warning for a value that was written otherwise."""
    unreadable: str
    """Code of the warning for a value that is of the right type and is no identifier of this kind."""


class Screening:
    """A site's rules for identifiers: its country's phone format, and its own values for nobody."""

    def __init__(self, country: str, blocked: frozenset[str]) -> None:
        self._blocked = blocked
        id_ = Identifier(
            partial(identifiers.cookie, blocked=blocked), "unicode_normalised", "identifier_unprintable"
        )
        self._kinds = {
            "sc": id_,
            "externalCustomerId": id_,
            "user_email": Identifier(
                partial(identifiers.email, blocked=blocked), "lowercased", "email_unreadable"
            ),
            "user_phone": Identifier(
                partial(identifiers.phone, country=country, blocked=blocked),
                "phone_reformatted",
                "phone_unreadable",
            ),
        }

    def identity(self, info: dict[str, Any], findings: list[Finding]) -> Identity:
        """Return who GeneralInfo names; mends its identifiers in place and its cookies in a copy."""
        cookie = None
        if isinstance(info.get("cookies"), dict):
            cookies = info["cookies"] = dict(info["cookies"])
            cookie = self._mended(cookies, "sc", "/GeneralInfo/cookies/sc", findings)
            if not cookies:
                del info["cookies"]
        customer, email, phone = (
            self._mended(info, name, f"/GeneralInfo/{name}", findings)
            for name in ("externalCustomerId", "user_email", "user_phone")
        )
        return Identity(cookie, customer, email, phone)

    def linked(self, message: dict[str, Any], findings: list[Finding]) -> Identity:
        """Return who the WooCommerce link message names; the message itself is not changed."""
        kinds = {
            "webId": "sc",
            "externalCustomerId": "externalCustomerId",
            "email": "user_email",
            "phone": "user_phone",
        }
        found = []
        for member, kind in kinds.items():
            screened = self._kinds[kind].screen(message.get(member))
            if screened is None and not is_unknown(message.get(member)):
                warn(findings, f"/{member}", self._objection(kind, text_of(message[member]) or ""))
            found.append(screened)
        return Identity(*found)

    def _mended(self, holder: dict[str, Any], name: str, place: str, findings: list[Finding]) -> str | None:
        raw = holder.get(name)
        if is_unknown(raw) or raw is False:
            holder.pop(name, None)
            if raw is False:
                warn(findings, place, "false_dropped")
            return None
        text = text_of(raw)
        if text is None:  # of another type: the schema refuses it
            return None
        if text != raw:
            warn(findings, place, written_anew(raw))
        screened = self._kinds[name].screen(text)
        if screened is None:
            warn(findings, place, self._objection(name, text))
        elif screened != text:
            warn(findings, place, self._kinds[name].rewritten)
        holder[name] = text if screened is None else screened
        return screened

    def _objection(self, name: str, text: str) -> str:
        if len(text) > LONGEST:
            return "identifier_too_long"
        if identifiers.is_blocked(text, self._blocked):
            return "identifier_blocked"
        return self._kinds[name].unreadable

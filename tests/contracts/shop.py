"""A shop to play identity stories with: its events, their positions in the stream, its links."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from prometheus_client import REGISTRY

from gateway.clock import SystemClock
from gateway.config import Site
from gateway.event import LOGOUT, Record, lane_of
from gateway.identity.people import links_of_cookie
from gateway.identity.settings import StitchSettings
from gateway.identity.stitcher import Stitched, Stitcher
from gateway.identity.timelines import Link
from gateway.ingest.desk import Desk
from gateway.store import Store
from gateway.validation import Catalogue

HOUR = 3_600_000
DAY = 24 * HOUR
NOON = 1_790_000_000_000
SETTINGS = StitchSettings(
    link_age_ms=30 * DAY,
    back_stitch_ms=30 * DAY,
    cookies=50,
    emails=5,
    phones=5,
    kiosk=200,
    crowd=200,
    clock_tolerance_ms=5 * 60 * 1000,
)

CATALOGUE = Catalogue()

Entry = tuple[str, Record]


def event(
    number: int,
    at: int = 0,
    *,
    cookie: str | None = "C",
    customer: str | None = None,
    email: str | None = None,
    phone: str | None = None,
    site: str = "shop",
    kind: str = "PageView",
    late: int = 0,
    caller_id: bool = False,
    info: dict[str, Any] | None = None,
) -> Record:
    """Return an event that happened `at` ms after noon and came `late` ms after that."""
    says = {
        "cookies": {"sc": cookie},
        "externalCustomerId": customer,
        "user_email": email,
        "user_phone": phone,
    }
    general = {"eventName": kind, "siteId": site} | {name: value for name, value in says.items() if value}
    event_id = f"0199{number:04x}-0000-7000-8000-{number:012x}"
    return Record(
        id=event_id,
        site=site,
        type=kind,
        lane=lane_of(site, cookie, customer, email, phone, event_id),
        cookie=cookie,
        customer=customer,
        email=email,
        phone=phone,
        occurred_at=NOON + at,
        accepted_at=NOON + at + late,
        body=orjson.dumps({"GeneralInfo": general if info is None else info, kind: {}}),
        caller_id=caller_id,
    )


def logout(number: int, at: int, cookie: str = "C", site: str = "shop") -> Record:
    """Return a logout on the cookie."""
    return event(number, at, cookie=cookie, site=site, kind=LOGOUT)


class Counter:
    """The shop's counter: ingest judges what is posted, and makes records of it."""

    def __init__(self, **site: Any) -> None:
        self._desk = Desk(Site(id="shop", keys=["shop-key"], **site), CATALOGUE)

    def take(self, *events: dict[str, Any], at: int = 0) -> list[Record]:
        """Return the records of what is accepted, having arrived `at` ms after noon."""
        judged = self._desk.judge(events, NOON + at)
        self.results = judged.results
        return judged.records

    def warnings(self) -> list[str]:
        """Return the codes of the warnings on what was taken last."""
        return [warning.code for result in self.results for warning in result.get("warnings", ())]


def posted(at: int = 0, cookie: Any = "C", kind: str = "PageView", **info: Any) -> dict[str, Any]:
    """Return an event as a backend posts it."""
    general = {"eventName": kind, "siteId": "shop", "datetime": NOON + at, "cookies": {"sc": cookie}, **info}
    return {"GeneralInfo": general}


def placed(records: Iterable[Record]) -> list[Entry]:
    """Return the records with positions in the stream, one after another."""
    return [(f"0:{offset}", record) for offset, record in enumerate(records)]


def info(stitched: Stitched) -> dict[str, Any]:
    """Return GeneralInfo as it goes on to eSputnik."""
    assert stitched.record is not None
    general: dict[str, Any] = orjson.loads(stitched.record.body)["GeneralInfo"]
    return general


def stitcher(
    store: Store,
    sites: Iterable[str] = ("shop",),
    settings: StitchSettings = SETTINGS,
    staying: frozenset[str] = frozenset(),
    remembered: int = 1000,
    exempt: frozenset[str] = frozenset(),
) -> Stitcher:
    """Return a stitcher as a process has one, with nothing in mind yet."""
    sites = dict.fromkeys(sites, settings)
    return Stitcher(store, sites, staying, exempt, remembered=remembered, seconds=60, clock=SystemClock())


class Shop:
    """Brings events to a stitcher, in one batch or several."""

    def __init__(
        self,
        store: Store,
        *sites: str,
        staying: frozenset[str] = frozenset(),
        settings: StitchSettings = SETTINGS,
    ) -> None:
        self.store = store
        self.settings = settings
        self.stitcher = stitcher(store, sites or ("shop",), settings, staying)
        self._offset = 0

    async def post(self, *records: Record) -> list[Stitched]:
        """Stitch the records as one batch at the next positions."""
        entries = [(f"0:{offset}", record) for offset, record in enumerate(records, self._offset)]
        self._offset += len(records)
        return await self.stitcher.stitch(entries)

    async def post_each(self, *records: Record) -> list[Stitched]:
        """Stitch the records as a batch each."""
        return [(await self.post(record))[0] for record in records]

    async def links(self, cookie: str = "C", site: str = "shop") -> list[Link]:
        """Return the cookie's links."""
        return await links_of_cookie(self.store, site, cookie, self.settings)

    async def owners(self, cookie: str = "C", site: str = "shop") -> list[tuple[str, int, int]]:
        """Return owner, start and end of the cookie's links, in ms after noon."""
        return [(link.owner, link.start - NOON, link.end - NOON) for link in await self.links(cookie, site)]


def words(stitched: Iterable[Stitched]) -> list[str]:
    """Return each decision as it stands on the record."""
    return [str(outcome.decision) for outcome in stitched]


def counted(name: str, **labels: str) -> float:
    """Return what a metric counts by now."""
    return REGISTRY.get_sample_value(name, labels) or 0


def sent(stitched: Sequence[Stitched]) -> list[tuple[str, str, bytes] | None]:
    """Return what goes on of each record: word, lane, body. The reason may be known better later."""
    return [
        (outcome.decision.word, outcome.record.lane, outcome.record.body) if outcome.record else None
        for outcome in stitched
    ]


def customers(stitched: Sequence[Stitched]) -> list[str | None]:
    """Return the customer each record goes on with."""
    return [outcome.record.customer if outcome.record else None for outcome in stitched]

"""The wiring: which parts one process runs, how they start, and how they stop without losing anything."""

import asyncio
import gc
import signal
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway import metrics
from gateway.aftermath import Aftermath
from gateway.calls import DELETIONS, STAYING
from gateway.clock import Clock, SystemClock
from gateway.config import Config, Site
from gateway.console.openapi import operator_paths
from gateway.console.routes import Console
from gateway.contacts import Contacts
from gateway.delivery.dead_letters import DeadLetters
from gateway.delivery.deliverer import GROUP as DELIVER_GROUP
from gateway.delivery.deliverer import Deliverer
from gateway.erasure import Erasure
from gateway.errors import ConfigError, GatewayError
from gateway.esputnik.client import EsputnikClient
from gateway.esputnik.errors import EsputnikError
from gateway.feed.kept import KeptRoutes
from gateway.feed.watching import Watch
from gateway.identity.erasures import Erasures
from gateway.identity.settings import StitchSettings, settings_of
from gateway.identity.stitcher import Stitcher
from gateway.identity.thinning import Thinning
from gateway.ingest.admission import Room
from gateway.ingest.api_openapi import api_paths, together
from gateway.ingest.api_routes import ApiRoutes
from gateway.ingest.readiness import Readiness
from gateway.ingest.routes import Route, Routes
from gateway.ingest.server import HttpServer
from gateway.jobs.follower import Follower
from gateway.jobs.openapi import job_paths
from gateway.jobs.routes import Jobs
from gateway.last_events import LastEvents
from gateway.outcomes import Callers, DistantCallers, WaitingRoom, bring
from gateway.product_keys.watching import KeyWatch
from gateway.relay.links import Links
from gateway.relay.openapi import relay_paths
from gateway.relay.recommendations import Recommendations
from gateway.relay.routes import Relay
from gateway.relay.site import SiteRelay
from gateway.reload import changes
from gateway.setup.openapi import setup_operator_paths, setup_paths
from gateway.setup.routes import Setup
from gateway.stitching import GROUP as STITCH_GROUP
from gateway.stitching import Stitching
from gateway.store import Store, open_store
from gateway.stream import Stream
from gateway.stream.opening import open_log
from gateway.tls import trusting
from gateway.validation import Catalogue

EVENTS_TOPIC = "events"
_BACKLOG_SECONDS = 5.0
_STAGE_SECONDS = 5.0
"""How long a stage may take to get to a clean mark; afterwards it is cut off and repeats a little."""
_PART_FOR_LINKS = 0.25
"""Of the time for recommendations, what a look-up of links may take before it goes on without them."""
_COLLECT_EVERY = 50_000
"""Containers made and not yet freed; one event holds about ten while it is under way."""

_log = structlog.get_logger()


class Part(Enum):
    """What a process may run; all of them together, or each apart."""

    INGEST = "ingest"
    STITCH = "stitch"
    DELIVER = "deliver"
    FEED = "feed"


class Gateway:
    """One process of the gateway: starts its parts, and stops them at a clean mark."""

    def __init__(self, config: Config, parts: set[Part], clock: Clock | None = None) -> None:
        refuse_what_cannot_keep_its_promises(config, parts)
        self._config = config
        self._parts = parts
        self._clock = clock or SystemClock()
        self._closing = AsyncExitStack()
        self._stages: list[asyncio.Task[None]] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._server: HttpServer | None = None
        self._metrics_server: HttpServer | None = None
        self._readiness: Readiness | None = None
        self._waiting = WaitingRoom()
        self._store: Store | None = None
        self._opening = asyncio.Lock()
        self._erasure = Erasure(config, self._shared_store)
        self._stitching: Stitching | None = None
        self._stitcher: Stitcher | None = None
        self._stitch_settings: dict[str, StitchSettings] = {}
        self._deliverers: dict[str, Deliverer] = {}
        self._routes: Routes | None = None
        self._api: ApiRoutes | None = None
        self._jobs: Jobs | None = None
        self._relay: Relay | None = None
        self._recommendations: Recommendations | None = None
        self._setup: Setup | None = None
        self._console: Console | None = None

    @property
    def port(self) -> int:
        """The port of the HTTP API; 0 without ingest."""
        return self._server.port if self._server else 0

    async def start(self) -> None:
        """Open every part; raises GatewayError with a sentence where one cannot run."""
        try:
            await self._open()
        except BaseException:
            await self.stop()
            raise

    async def _open(self) -> None:
        if Part.FEED in self._parts and any(site.feed.links for site in self._config.sites):
            self._watch(Watch(self._config, self._clock).run())
        if self._parts != {Part.FEED}:
            await self._open_stages()
        await self._start_metrics()
        _calm_the_collector()

    async def _open_stages(self) -> None:
        config = self._config
        spooled = EVENTS_TOPIC if Part.INGEST in self._parts and config.stream.spool_bytes else None
        log = await self._closing.enter_async_context(open_log(config.stream, spooled))
        others = KeptRoutes(config).routes()
        if uses_store(config, self._parts):
            store = await self._shared_store()
            sites = {site.id: await log.topic(stitched_topic(site.id)) for site in config.sites}
            if config.operator.keys:
                self._console = Console(config, store, sites, self._clock)
                others += self._console.routes()
            if Part.STITCH in self._parts:
                self._start_stitching(await log.topic(EVENTS_TOPIC), sites, store)
            if Part.DELIVER in self._parts:
                await self._start_delivery(sites, store)
        if Part.INGEST in self._parts:
            await self._start_ingest(await log.topic(EVENTS_TOPIC), others)
            if Part.DELIVER not in self._parts:
                self._watch(bring(self._waiting, self._shared_store, self._clock))

    async def _shared_store(self) -> Store:
        """Return the database, opened when it is first asked for; ingest may never need it."""
        async with self._opening:
            if self._store is None:
                links = self._config.links
                self._store = await open_store(links.url.get_secret_value(), links.ca_file)
                self._closing.push_async_callback(self._store.close)
            return self._store

    def _start_stitching(self, events: Stream, sites: Mapping[str, Stream], store: Store) -> None:
        self._stitch_settings = {site.id: settings_of(site) for site in self._config.sites}
        links = self._config.links
        self._stitcher = Stitcher(
            store,
            self._stitch_settings,
            STAYING,
            DELETIONS,
            remembered=links.remembered,
            seconds=links.remembered_seconds,
            clock=self._clock,
        )
        self._stitching = Stitching(events, self._stitcher, sites, self._clock)
        self._stages.append(asyncio.create_task(self._stitching.run()))
        self._watch(self._watch_backlog(events, STITCH_GROUP, "stitch", "all"))
        self._watch(Thinning(store, self._stitch_settings, self._clock).run())

    async def _start_delivery(self, sites: Mapping[str, Stream], store: Store) -> None:
        dead_letters = DeadLetters(store, self._clock)
        here = Part.INGEST in self._parts
        callers: Callers = self._waiting if here else DistantCallers(store, self._clock)
        erasures = Erasures(store, sites, self._clock, DELETIONS)
        await erasures.look()
        self._watch(erasures.watch())
        aftermath = Aftermath(store, self._erasure, self._clock)
        product_keys = KeyWatch(store, sites, self._clock)
        self._watch(product_keys.run())
        last_events = LastEvents(store, self._clock)
        self._watch(last_events.run())
        clients: dict[str, EsputnikClient] = {}
        for site in self._config.sites:
            settings = self._config.delivery
            client = esputnik_client(site, settings.timeout_seconds, settings.concurrency, settings.ca_file)
            await self._closing.enter_async_context(client)
            clients[site.id] = client
            stream = sites[site.id]
            deliverer = Deliverer(
                stream,
                site,
                settings,
                client,
                dead_letters,
                self._clock,
                callers,
                erasures.cover,
                aftermath.follow,
                Contacts(store, site.id, self._clock) if site.ensure_contact else None,
                product_keys.look,
                last_events.note,
            )
            self._deliverers[site.id] = deliverer
            self._stages.append(asyncio.create_task(deliverer.run()))
            self._watch(self._watch_backlog(stream, DELIVER_GROUP, "deliver", site.id))
        self._watch(Follower(store, clients, self._clock).watch())

    async def _start_ingest(self, events: Stream, others: Sequence[Route]) -> None:
        config = self._config
        self._readiness = Readiness(events, self._clock)
        room = Room(config.limits.in_flight_bytes)
        self._api = ApiRoutes(
            config, events, self._readiness, self._waiting, room, self._clock, self._erasure.preview
        )
        clients = await self._open_clients()
        self._relay = Relay(config, self._ways_to_esputnik(clients), room)
        self._recommendations = await self._open_recommendations()
        self._jobs = Jobs(config, self._shared_store)
        self._setup = Setup(config, self._shared_store, clients, self._clock)
        self._watch(self._setup.pages.refresh())
        for part in (self._api, self._jobs, self._relay, self._recommendations, self._setup.pages):
            others = [*others, *part.routes()]
        contract = together(
            api_paths(), relay_paths(), job_paths(), setup_paths(), KeptRoutes(config).contract()
        )
        if self._console:
            others = [*others, *self._console.guarding(self._setup.routes())]
            contract = together(contract, operator_paths(), setup_operator_paths())
        self._routes = Routes(
            config, Catalogue(), events, self._readiness, self._clock, room, others, contract
        )
        self._server = HttpServer(self._routes.table(), config.listen, config.limits)
        await self._server.start(config.listen.host, config.listen.port)
        self._watch(self._readiness.watch())
        self._readiness.started()
        _log.info("listening", host=config.listen.host, port=self.port)

    async def _open_recommendations(self) -> Recommendations:
        """Return them with connections of their own: a page's traffic holds up nothing else."""
        seconds = self._config.relay.recommendations_seconds * _PART_FOR_LINKS
        links = Links(self._shared_store, seconds, self._clock)
        ways = self._ways_to_esputnik(await self._open_clients())
        return Recommendations(self._config, ways, links, self._clock)

    async def _open_clients(self) -> dict[str, EsputnikClient]:
        """Return the sites' clients for what somebody waits for; who passes on tells them of new keys."""
        settings, ca_file = self._config.relay, self._config.delivery.ca_file
        clients = {}
        for site in self._config.sites:
            client = esputnik_client(site, settings.timeout_seconds, settings.connections, ca_file)
            clients[site.id] = await self._closing.enter_async_context(client)
        return clients

    def _ways_to_esputnik(self, clients: Mapping[str, EsputnikClient]) -> dict[str, SiteRelay]:
        return {site: SiteRelay(site, client, self._clock) for site, client in clients.items()}

    async def _start_metrics(self) -> None:
        listen = self._config.listen
        self._metrics_server = HttpServer([web.get("/metrics", _metrics)], listen, self._config.limits)
        await self._metrics_server.start(listen.metrics_host, listen.metrics_port)

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        self._watchers.append(asyncio.create_task(work))

    async def _watch_backlog(self, stream: Stream, group: str, stage: str, site: str) -> None:
        count = metrics.BACKLOG_RECORDS.labels(stage, site)
        age = metrics.BACKLOG_AGE_SECONDS.labels(stage, site)
        while True:
            await self._clock.sleep(_BACKLOG_SECONDS)
            try:
                backlog = await stream.backlog(group)
            except GatewayError as problem:
                _log.warning("backlog_unknown", stage=stage, site=site, reason=str(problem))
            else:
                count.set(backlog.count)
                age.set(backlog.oldest_age)

    def reload(self, wanted: Config) -> list[str]:
        """Take over what differs, all of it between two requests, and return the places of the settings.

        Raises ConfigError, with nothing changed, where one of them needs a restart.
        """
        places = changes(self._config, wanted)
        self._config = wanted
        for part in (
            self._routes,
            self._api,
            self._relay,
            self._recommendations,
            self._jobs,
            self._setup,
            self._console,
            self._erasure,
        ):
            if part is not None:
                part.change(wanted)
        for site in wanted.sites:
            if site.id in self._stitch_settings:
                self._stitch_settings[site.id] = settings_of(site)
            if site.id in self._deliverers:
                self._deliverers[site.id].change(site)
        if self._stitcher is not None:
            self._stitcher.start_anew()
        return places

    async def failed(self) -> None:
        """Wait until a stage ends by itself, which none should, and raise what it ended with."""
        done, _ = await asyncio.wait(self._stages + self._watchers, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        raise GatewayError("a stage ended by itself")

    async def stop(self) -> None:
        """Fail readiness, answer what is in flight, stop every stage at a clean mark; bounded in time."""
        if self._readiness is not None:
            self._readiness.stopping()
            await self._clock.sleep(self._config.listen.drain_seconds)
        if self._server is not None:
            await self._server.stop()
        if self._recommendations is not None:
            await self._recommendations.stop()
        if self._stitching is not None:
            self._stitching.stop()
        await asyncio.gather(*(deliverer.stop() for deliverer in self._deliverers.values()))
        await self._end(self._stages, _STAGE_SECONDS)
        await self._end(self._watchers, 0)
        if self._metrics_server is not None:
            await self._metrics_server.stop()
        await self._closing.aclose()

    async def _end(self, tasks: list[asyncio.Task[None]], seconds: float) -> None:
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _calm_the_collector() -> None:
    """Look for cycles less often: what an event is made of has none, and goes when its request is answered.

    Every 700 containers, as Python does it, took 7 % of ingest's CPU at ten events a request.
    """
    gc.collect()
    gc.freeze()  # what booted stays, and need not be walked on every full pass
    gc.set_threshold(_COLLECT_EVERY, 20, 50)


def stitched_topic(site: str) -> str:
    """Return the topic of a site's stitched records: each has its own, so that it holds up only itself."""
    return f"stitched.{site}"


def topics_of(config: Config) -> list[str]:
    """Return every topic that the configuration needs."""
    return [EVENTS_TOPIC, *(stitched_topic(site.id) for site in config.sites)]


def uses_store(config: Config, parts: set[Part]) -> bool:
    """Return whether these parts need the shared database; ingest alone does only for an operator."""
    for_operator = Part.INGEST in parts and config.operator.keys
    return bool(parts & {Part.STITCH, Part.DELIVER} or for_operator)


def refuse_what_cannot_keep_its_promises(config: Config, parts: set[Part]) -> None:
    """Raise ConfigError for a stream and a database that cannot work together in these parts."""
    mistakes = []
    if parts not in (set(Part), {Part.FEED}) and config.stream.kind == "sqlite":
        mistakes.append(
            'stream.kind: "sqlite" is one file of one process, so its parts cannot run apart; '
            'use `gateway run`, or kind = "kafka"'
        )
    if uses_store(config, parts) and config.stream.kind == "kafka" and config.links.is_sqlite:
        mistakes.append(
            "links.url: several processes share a Kafka stream, but a SQLite file serves only one, so each "
            "would know other links; use postgresql://"
        )
    if parts == {Part.FEED} and not any(site.feed.links for site in config.sites):
        mistakes.append("sites: none has feed.links, so there is nothing to watch")
    if mistakes:
        raise ConfigError(mistakes)


def esputnik_client(site: Site, timeout: float, connections: int, ca_file: Path | None) -> EsputnikClient:
    """Return the site's client of eSputnik, not yet open."""
    return EsputnikClient(
        tracker_url=site.tracker_url,
        api_url=site.api_url,
        api_key=site.api_key.get_secret_value(),
        timeout=timeout,
        connections=connections,
        tls=_trusting_esputnik(ca_file),
    )


@cache
def _trusting_esputnik(ca_file: Path | None) -> ssl.SSLContext:
    """Return the one context of all clients: to read the system's authorities takes 38 ms each time."""
    return trusting("delivery.ca_file", ca_file)


class Finding(NamedTuple):
    """One part that `check` has reached, or has not."""

    ok: bool
    text: str


async def check(config: Config) -> list[Finding]:
    """Return what was found of every part; nothing is changed."""
    findings = [Finding(True, f"configuration: {len(config.sites)} sites")]
    findings.append(await _reach("stream", _check_stream(config)))
    findings.append(await _reach("links", _check_store(config)))
    for site in config.sites:
        findings.append(await _reach(f"eSputnik for site {site.id}", _check_esputnik(config, site)))
    return findings


async def _reach(part: str, attempt: Awaitable[str]) -> Finding:
    try:
        return Finding(True, f"{part}: {await attempt}")
    except (GatewayError, EsputnikError) as problem:
        return Finding(False, f"{part}: {problem}")


async def _check_stream(config: Config) -> str:
    async with open_log(config.stream) as log:
        for topic in topics_of(config):
            await log.topic(topic)
    return f"{config.stream.kind}, {len(topics_of(config))} topics"


async def _check_store(config: Config) -> str:
    store = await open_store(config.links.url.get_secret_value(), config.links.ca_file)
    await store.close()
    return "sqlite" if config.links.is_sqlite else "postgresql"


async def _check_esputnik(config: Config, site: Site) -> str:
    async with esputnik_client(site, config.delivery.timeout_seconds, 1, config.delivery.ca_file) as client:
        await client.account_info()
    return f"the key opens {site.api_url}"


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def run_until_told(config: Config, parts: set[Part], load_again: Callable[[], Config]) -> int:
    """Run the parts until SIGTERM or SIGINT, reloading on SIGHUP; return the exit status."""
    told, hung_up = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    gateway = Gateway(config, parts)
    await gateway.start()
    waiting = [
        asyncio.create_task(told.wait()),
        asyncio.create_task(gateway.failed()),
        asyncio.create_task(_reload_when_told(gateway, hung_up, load_again)),
    ]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    failure = next((task.exception() for task in waiting if task.done()), None)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    if failure is not None:
        _log.error("stage_failed", error=type(failure).__name__, reason=str(failure), exc_info=failure)
    _log.info("stopping")
    try:
        async with asyncio.timeout(config.listen.grace_seconds):
            await gateway.stop()
    except TimeoutError:
        _log.warning("stopped_late", seconds=config.listen.grace_seconds)
    return 1 if failure is not None else 0


async def _reload_when_told(
    gateway: Gateway, hung_up: asyncio.Event, load_again: Callable[[], Config]
) -> None:
    """Read the configuration at each SIGHUP; one with a mistake leaves everything as it is."""
    while True:
        await hung_up.wait()
        hung_up.clear()
        try:
            places = gateway.reload(await asyncio.to_thread(load_again))
        except ConfigError as problem:
            metrics.CONFIG_RELOADS.labels("kept").inc()
            _log.error("configuration_kept", reason="the new one has mistakes", mistakes=problem.mistakes)
        else:
            metrics.CONFIG_RELOADS.labels("changed").inc()
            _log.info("configuration_reloaded", changed=places)

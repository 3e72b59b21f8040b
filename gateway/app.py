"""The wiring: which parts one process runs, how they start, and how they stop without losing anything."""

import asyncio
import gc
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway import metrics
from gateway.aftermath import Aftermath
from gateway.calls import DELETIONS, STAYING
from gateway.clients import esputnik_client
from gateway.clock import Clock, SystemClock
from gateway.config import Config
from gateway.console.openapi import operator_paths
from gateway.console.routes import Console
from gateway.contacts import Contacts
from gateway.delivery.dead_letters import DeadLetters
from gateway.delivery.deliverer import GROUP as DELIVER_GROUP
from gateway.delivery.deliverer import Deliverer
from gateway.erasure import Erasure
from gateway.errors import GatewayError, Unreachable
from gateway.esputnik.client import EsputnikClient
from gateway.feed.kept import KeptRoutes
from gateway.feed.watching import Watch
from gateway.identity.erasures import Erasures
from gateway.identity.settings import StitchSettings, settings_of
from gateway.identity.stitcher import Stitcher
from gateway.identity.thinning import Thinning
from gateway.ingest.admission import Room
from gateway.ingest.api_openapi import api_paths, together
from gateway.ingest.api_routes import ApiRoutes
from gateway.ingest.desk import TurnedAway, nobody_asks
from gateway.ingest.readiness import Readiness
from gateway.ingest.routes import Route, Routes
from gateway.ingest.server import HttpServer
from gateway.jobs.follower import Follower
from gateway.jobs.openapi import job_paths
from gateway.jobs.routes import Jobs
from gateway.last_events import LastEvents
from gateway.outcomes import Callers, DistantCallers, WaitingRoom, bring
from gateway.parts import EVENTS_TOPIC, Part, refuse_what_cannot_keep_its_promises, stitched_topic, uses_store
from gateway.product_keys.watching import KeyWatch
from gateway.refused.mask import known_to
from gateway.refused.sample import RefusedSample
from gateway.refused.sweeping import sweep
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
from gateway.store.lazy import LazyStore
from gateway.stream import Stream
from gateway.stream.opening import open_log
from gateway.validation import Catalogue

_BACKLOG_SECONDS = 5.0
_STAGE_SECONDS = 5.0
"""How long a stage may take to get to a clean mark; afterwards it is cut off and repeats a little."""
_LAST_WORDS_SECONDS = 1.0
"""How long what is noted in memory may take to be written at a stop."""
_PART_FOR_LINKS = 0.25
"""Of the time for recommendations, what a look-up of links may take before it goes on without them."""
_COLLECT_EVERY = 50_000
"""Containers made and not yet freed; one event holds about ten while it is under way."""

_log = structlog.get_logger()


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
        self._notes: list[KeyWatch | LastEvents | RefusedSample] = []
        """Parts that note in memory and write now and then."""
        self._server: HttpServer | None = None
        self._metrics_server: HttpServer | None = None
        self._readiness: Readiness | None = None
        self._waiting = WaitingRoom()
        self._store = LazyStore(config.links.url.get_secret_value(), config.links.ca_file)
        self._closing.push_async_callback(self._store.close)
        self._erasure = Erasure(config, self._store)
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
            await self._open_store()
            self._watch(sweep(self._store, self._clock))
            sites = {site.id: await log.topic(stitched_topic(site.id)) for site in config.sites}
            if config.operator.keys:
                self._console = Console(config, self._store, sites, self._clock)
                others += self._console.routes()
            if Part.STITCH in self._parts:
                self._start_stitching(await log.topic(EVENTS_TOPIC), sites)
            if Part.DELIVER in self._parts:
                await self._start_delivery(sites)
        if Part.INGEST in self._parts:
            await self._start_ingest(await log.topic(EVENTS_TOPIC), others)
            if Part.DELIVER not in self._parts:
                self._watch(bring(self._waiting, self._store, self._clock))

    async def _open_store(self) -> None:
        """Tell a mistake in the configuration at once; ingest goes on without a database that is away."""
        try:
            await self._store.open()
        except Unreachable as problem:
            if self._parts & {Part.STITCH, Part.DELIVER}:
                raise
            _log.warning("database_is_away_at_start", reason=str(problem))

    def _start_stitching(self, events: Stream, sites: Mapping[str, Stream]) -> None:
        self._stitch_settings = {site.id: settings_of(site) for site in self._config.sites}
        links = self._config.links
        self._stitcher = Stitcher(
            self._store,
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
        self._watch(Thinning(self._store, self._stitch_settings, self._clock).run())

    async def _start_delivery(self, sites: Mapping[str, Stream]) -> None:
        store = self._store
        dead_letters = DeadLetters(store, self._clock)
        here = Part.INGEST in self._parts
        callers: Callers = self._waiting if here else DistantCallers(store, self._clock)
        erasures = Erasures(store, sites, self._clock, DELETIONS)
        await erasures.look()
        self._watch(erasures.watch())
        aftermath = Aftermath(store, self._erasure, self._clock)
        product_keys = KeyWatch(store, sites, self._clock)
        last_events = LastEvents(store, self._clock)
        self._write_notes(product_keys)
        self._write_notes(last_events)
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
        turned_away = self._start_sampling()
        self._api = ApiRoutes(
            config,
            events,
            self._readiness,
            self._waiting,
            room,
            self._clock,
            self._erasure.preview,
            turned_away,
        )
        clients = await self._open_clients()
        self._relay = Relay(config, self._ways_to_esputnik(clients), room)
        self._recommendations = await self._open_recommendations()
        self._jobs = Jobs(config, self._store)
        self._setup = Setup(config, self._store, clients, self._clock)
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
            config, Catalogue(), events, self._readiness, self._clock, room, others, contract, turned_away
        )
        self._server = HttpServer(self._routes.table(), config.listen, config.limits)
        await self._server.start(config.listen.host, config.listen.port)
        self._watch(self._readiness.watch())
        self._readiness.started()
        _log.info("listening", host=config.listen.host, port=self.port)

    def _start_sampling(self) -> TurnedAway:
        """Return what is told of refused events; without an operator's key nobody could read a sample."""
        if not self._config.operator.keys:
            return nobody_asks
        sample = RefusedSample(known_to(every_schema()), self._store, self._clock)
        self._write_notes(sample)
        return sample.look

    async def _open_recommendations(self) -> Recommendations:
        """Return them with connections of their own: a page's traffic holds up nothing else."""
        seconds = self._config.relay.recommendations_seconds * _PART_FOR_LINKS
        links = Links(self._store, seconds, self._clock)
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

    def _write_notes(self, part: KeyWatch | LastEvents | RefusedSample) -> None:
        self._notes.append(part)
        self._watch(part.run())

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
        with suppress(GatewayError, TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                for part in self._notes:
                    await part.write()
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


def every_schema() -> list[dict[str, Any]]:
    """Return the schemas of all that ingest takes."""
    catalogues = (Catalogue(), Catalogue("api"))
    return [schema for catalogue in catalogues for schema in catalogue.bundled("").values()]


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

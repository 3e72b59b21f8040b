"""What may be asked of eSputnik now: nothing with a refused key or behind an open circuit, else at the pace.

Every gate learns from outcomes alone and lets a probe through now and then, so that all of them open by
themselves once the cause is gone.
"""

from collections.abc import Callable

import structlog

from gateway import metrics
from gateway.circuit import Circuit
from gateway.clock import Clock
from gateway.config import Delivery, Site
from gateway.delivery.mapping import Endpoint
from gateway.delivery.pace import Pace
from gateway.esputnik.errors import EsputnikError, KeyRefused, RateLimited, Unavailable

PRODUCTS_PER_SECOND = 1.0
"""Requests to the Products and Markets API (Yespo-CDP/yespo-shopify, docs/yespo-api-products-markets.md)."""
FAILURES = 5
"""Failures in a row that open an endpoint's circuit."""
_LOOK_SECONDS = 1.0
"""A wait for the pace looks up this often, for the share may have grown meanwhile."""

_log = structlog.get_logger()


class Gates:
    """The gates of one site. `reopened` is called when a gate that kept records waiting has opened."""

    def __init__(
        self,
        site: Site,
        settings: Delivery,
        clock: Clock,
        share: Callable[[], float],
        reopened: Callable[[], None],
    ) -> None:
        self._site = site.id
        self._clock = clock
        self._reopened = reopened
        self._pace = pace = Pace(site.rate, share, clock.monotonic())
        self._key = Circuit(1, settings.probe_seconds)
        self._circuits = {endpoint: Circuit(FAILURES, settings.probe_seconds) for endpoint in Endpoint}
        self._products = Pace(PRODUCTS_PER_SECOND, share, clock.monotonic())
        self._stopped = metrics.SITE_STOPPED.labels(site.id)
        self._opened = {name: metrics.CIRCUIT_OPEN.labels(site.id, name) for name in Endpoint}
        metrics.PACE.labels(site.id).set_function(lambda: pace.per_second(clock.monotonic()))

    def change(self, rate: float) -> None:
        """Keep to another rate from now on."""
        self._pace.change(rate)

    async def turn(self) -> None:
        """Return when the pace allows one more request."""
        while (wait := self._pace.take(self._clock.monotonic())) > 0:
            await self._clock.sleep(min(wait, _LOOK_SECONDS))

    def give_back(self) -> None:
        """Undo a `turn` in which nothing was asked."""
        self._pace.give_back()

    def enter(self, endpoint: Endpoint) -> float:
        """Return 0 to let a request through, whose outcome `learn` is then told; else the seconds to wait.

        Who has to wait gives back the turn.
        """
        now = self._clock.monotonic()
        wait = self.wait(endpoint)
        if wait <= 0 and endpoint is Endpoint.PRODUCTS:
            wait = self._products.take(now)
        if wait > 0:
            self._pace.give_back()
            return wait
        self._key.begin(now)
        self._circuits[endpoint].begin(now)
        return 0.0

    def wait(self, endpoint: Endpoint) -> float:
        """Return the seconds until the endpoint is worth asking; 0 when it is now."""
        now = self._clock.monotonic()
        return max(self._key.wait(now), self._circuits[endpoint].wait(now))

    def are_open(self, endpoint: Endpoint) -> bool:
        """Return whether requests go through freely, so that a failure is the record's own."""
        return not (self._key.is_open or self._circuits[endpoint].is_open)

    def learn(self, endpoint: Endpoint, began_at: float, problem: EsputnikError | None) -> None:
        """Take note of the outcome of a request that began at that monotonic time."""
        now = self._clock.monotonic()
        circuit = self._circuits[endpoint]
        if isinstance(problem, Unavailable):
            if circuit.failed(now):
                self._opened[endpoint].set(1)
                _log.warning("circuit_opened", site=self._site, endpoint=endpoint, reason=str(problem))
            return
        if circuit.succeeded(began_at):
            self._opened[endpoint].set(0)
            _log.info("circuit_closed", site=self._site, endpoint=endpoint)
            self._reopened()
        self._learn_of_key(began_at, now, isinstance(problem, KeyRefused))
        pace = self._products if endpoint is Endpoint.PRODUCTS else self._pace
        if isinstance(problem, RateLimited):
            pace.limited(began_at, now, problem.retry_after)
        else:
            pace.went_well()

    def _learn_of_key(self, began_at: float, now: float, refused: bool) -> None:
        if refused and self._key.failed(now):
            self._stopped.set(1)
            _log.error("site_stopped", site=self._site, reason="eSputnik refuses the key; repair api_key")
        elif not refused and self._key.succeeded(began_at):
            self._stopped.set(0)
            _log.info("site_resumed", site=self._site)
            self._reopened()

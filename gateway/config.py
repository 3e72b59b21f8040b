"""Every setting, each with its default said once; refuses to boot on a bad one, naming every mistake.

Sources, later ones win: defaults here, one TOML file (`--config` or GATEWAY_CONFIG), environment variables
(`GATEWAY_LISTEN__PORT=8081`; sites as one JSON list in GATEWAY_SITES). A secret may come from a file:
`api_key_file` beside `api_key`, and so on for every field that has a `_file` twin.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from phonenumbers import SUPPORTED_REGIONS
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gateway.errors import ConfigError
from gateway.event import LOGOUT
from gateway.keys import configured_digest, mistake_in
from gateway.validation import Catalogue

SITE_SHORTCUT = ("GATEWAY_SITE_ID", "GATEWAY_SITE_KEY", "GATEWAY_ESPUTNIK_KEY")


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http:// or https:// URL")
    try:
        parts.hostname.encode("idna")
    except UnicodeError:
        raise ValueError("must name a host that can exist: no part of it empty or over 63 letters") from None
    return url


ExactUrl = Annotated[str, AfterValidator(_http_url)]
HttpUrl = Annotated[ExactUrl, AfterValidator(lambda url: url.rstrip("/"))]
SiteId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]

MarketId = Annotated[str, Field(pattern=r"^[a-z0-9._-]{1,128}$")]
"""In lower case, as eSputnik's own Shopify app writes it."""


def _key(key: SecretStr) -> SecretStr:
    if mistake := mistake_in(key.get_secret_value()):
        raise ValueError(mistake)
    return key


Key = Annotated[SecretStr, AfterValidator(_key)]
"""Plain, or as `sha256:...`, which `gateway key new` prints beside each key that it makes."""


def _country(code: str) -> str:
    if code not in SUPPORTED_REGIONS:
        raise ValueError("is no country's code with phone numbers of its own (ISO 3166, such as UA)")
    return code


Country = Annotated[str, AfterValidator(_country)]


def _secret(name: str, path: str) -> str:
    """Return what the file holds. One that is empty is refused: it is most likely being written just now."""
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise ValueError(f"{name} cannot be read: {problem.strerror}") from None
    except ValueError:
        raise ValueError(f"{name} must be the path of a file that holds text in UTF-8") from None
    if not text:
        raise ValueError(f"{name} is an empty file; write the secret into it, or leave {name} out")
    return text


class Section(BaseModel):
    """A table of the file; an unknown name in it is a mistake, not a default."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    secret_files: ClassVar[tuple[str, ...]] = ()
    """Fields that may be given as `<name>_file` instead."""

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = dict(values)
        for name in cls.secret_files:
            path = values.pop(f"{name}_file", None)
            if path is None:
                continue
            if values.get(name):
                raise ValueError(f"{name} and {name}_file are both given; keep one")
            if not isinstance(path, str):
                raise ValueError(f"{name}_file must be the path of a file, as text")
            text = _secret(f"{name}_file", path)
            values[name] = text.split() if name == "keys" else text
        return values


class Listen(Section):
    """Where the gateway listens, and how patient it is with connections."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    public_url: HttpUrl | None = None
    """Where browsers reach the gateway, for what is pasted into pages; else where set-up was asked."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(9100, ge=0, le=65535)
    connections: int = Field(10_000, ge=1)
    idle_seconds: float = Field(75, gt=0)
    """How long a connection may go without a complete request head, or without taking any of an answer."""
    body_seconds: float = Field(10, gt=0)
    """How long a request's body may take to arrive."""
    drain_seconds: float = Field(0, ge=0)
    """How long readiness fails before the listener closes on SIGTERM: above the load balancer's period."""
    grace_seconds: float = Field(20, gt=0)
    """How long a stop may take in all, draining included, before what is still in flight is cut off."""

    @model_validator(mode="after")
    def _time_is_left_after_draining(self) -> Self:
        if self.drain_seconds >= self.grace_seconds:
            raise ValueError(
                "drain_seconds is a part of grace_seconds, and leaves none of it for what is in flight: "
                "raise grace_seconds, and what the supervisor waits before it kills"
            )
        return self


class Limits(Section):
    """What one request may hold."""

    copies: ClassVar[int] = 2
    """Times a body's text is in memory besides itself until it is durable: in objects, and in records."""
    value_bytes: ClassVar[int] = 96
    """What a value takes as an object beside its text: 30 for `[]`, 70 in a cart, 92 for `{"a":1}`."""

    body_bytes: int = Field(4 * 2**20, ge=1024)
    """As it came, before decompression."""
    decoded_bytes: int = Field(8 * 2**20, ge=1024)
    """After decompression."""
    events: int = Field(1000, ge=1)
    values: int = Field(200_000, ge=1000)
    """Of one request, counted by commas and brackets: 4 MB of `[],` would become more than 100 MB."""
    in_flight_bytes: int = Field(128 * 2**20, ge=2**20)
    """Of all requests under way, as they came and as what they become; what is more is answered 503."""

    def becomes(self, size: int, values: int) -> int:
        """Return the bytes that a body of that size and so many values takes besides itself."""
        return self.copies * size + self.value_bytes * values

    @model_validator(mode="after")
    def _one_fits(self) -> Self:
        values = min(self.values, self.decoded_bytes)
        largest = self.body_bytes + self.decoded_bytes + self.becomes(self.decoded_bytes, values)
        if self.in_flight_bytes < largest:
            raise ValueError(f"in_flight_bytes is below the {largest} of a full request: none could come in")
        return self


class StreamSettings(Section):
    """The durable log: one SQLite file, or Kafka."""

    secret_files = ("sasl_password",)

    kind: Literal["sqlite", "kafka"] = "sqlite"
    path: Path = Path("data/stream.db")
    append_seconds: float = Field(0.5, gt=0)
    """An append that is not durable by then goes to the spool, or is answered 503 where there is none."""
    keep_hours: float = Field(24, ge=0)
    """SQLite: how long consumed rows stay."""

    spool_path: Path = Path("data/spool.db")
    """Kafka: where ingest keeps what Kafka does not take in time; one file for each ingest process."""
    spool_bytes: int = Field(2**30, ge=0)
    """A full spool answers 503; 0 turns it off."""

    brokers: list[str] = []
    topic_prefix: str = Field("gateway", pattern=r"^[a-zA-Z0-9._-]+$")
    partitions: int = Field(8, ge=1, le=1000)
    replication: int = Field(3, ge=1)
    min_insync: int = Field(2, ge=1)
    retention_days: float = Field(7, gt=0)
    tls: bool = False
    """The brokers' certificates are verified, always."""
    ca_file: Path | None = None
    """The authorities to trust in them instead of the system's."""
    cert_file: Path | None = None
    key_file: Path | None = None
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None

    @model_validator(mode="after")
    def _kafka_is_whole(self) -> Self:
        if self.kind == "kafka" and not self.brokers:
            raise ValueError('kind = "kafka" needs brokers = ["host:9092", ...]')
        if self.min_insync > self.replication:
            raise ValueError("min_insync is larger than replication: no append could ever succeed")
        if (self.sasl_mechanism is None) != (self.sasl_username is None or self.sasl_password is None):
            raise ValueError("sasl_mechanism, sasl_username and sasl_password go together")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        return self


class Links(Section):
    """The shared database: links, callers' ids, dead letters."""

    secret_files = ("url",)

    url: SecretStr = SecretStr("sqlite:data/links.db")
    remembered: int = Field(100_000, ge=0)
    """Cookies that one stitching process keeps in mind, at some 1.5 KB each; 0 always asks the database."""
    remembered_seconds: float = Field(60, gt=0)
    """For how long: what other processes learn of a customer is seen after that time at the latest."""
    """A PostgreSQL on another machine has to show a valid certificate, unless `?sslmode=` says otherwise."""
    ca_file: Path | None = None
    """PostgreSQL: the authorities to trust instead of the system's; with it TLS is a must on any host."""

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, url: SecretStr) -> SecretStr:
        scheme = url.get_secret_value().partition(":")[0]
        if scheme not in ("sqlite", "postgresql", "postgres"):
            raise ValueError("must start with sqlite: or postgresql://")
        return url

    @property
    def is_sqlite(self) -> bool:
        """Whether only one process of one machine may use it."""
        return self.url.get_secret_value().startswith("sqlite:")


class Delivery(Section):
    """How hard delivery tries; the same for every site."""

    concurrency: int = Field(32, ge=1)
    """Requests under way at once for one site."""
    ca_file: Path | None = None
    """The authorities to trust in eSputnik's certificate instead of the system's."""
    timeout_seconds: float = Field(8, gt=0, lt=10)
    """For one request; below Kafka's rebalance timeout, so that a lane can stop in time."""
    window: int = Field(2000, ge=1)
    """Records of one partition taken but not done."""
    tries: int = Field(10, ge=1)
    give_up_hours: float = Field(24, gt=0)
    """A record becomes a dead letter only after both `tries` and this time."""
    backoff_seconds: float = Field(0.5, gt=0)
    """First wait after a failure; doubles, with full jitter."""
    backoff_max_seconds: float = Field(60, gt=0)
    probe_seconds: float = Field(15, gt=0)
    """How often a stopped site or an open circuit lets one request through."""
    repeat_seconds: float = Field(61, gt=0)
    """How long a call waits that eSputnik takes for a repeat: it does so for a minute."""


class Relay(Section):
    """What is passed through to eSputnik while the caller waits."""

    timeout_seconds: float = Field(10, gt=0, le=60)
    """For one call, connecting included."""
    connections: int = Field(16, ge=1)
    """Calls under way at once for one site; others wait for their turn, and not longer than for an answer."""
    keep_seconds: float = Field(300, ge=0)
    """How long scripts and additional fields are kept; `Cache-Control: no-cache` asks anew."""
    recommendations_seconds: float = Field(0.2, gt=0, le=60)
    """After this time a shop's page gets an empty list of recommendations."""
    recommendations_keep_seconds: float = Field(60, ge=0)
    """How long recommendations are kept; `Cache-Control: no-cache` asks anew."""


class Logs(Section):
    """What the process says of itself."""

    format: Literal["auto", "json", "console"] = "auto"
    """`auto` is console on a terminal, else JSON."""
    level: Literal["debug", "info", "warning", "error"] = "info"


class Operator(Section):
    """Who may read and change people and dead letters; without keys those routes do not exist."""

    secret_files = ("keys",)

    keys: list[Key] = []


OrderStatus = Literal["INITIALIZED", "IN_PROGRESS", "DELIVERED", "CANCELLED", "ABANDONED_SHOPPING_CART"]


class Feeds(Section):
    """The shops' product feeds; `gateway run` looks at those that have links."""

    path: Path = Path("data/feeds")
    """Folder of the last good version of each."""
    minutes: float = Field(60, gt=0)
    """How often each is loaded and checked."""
    max_bytes: int = Field(4 * 2**30, ge=2**20)
    """What one feed may take, as it comes and unpacked."""
    tolerated_errors: float = Field(0.1, ge=0)
    """Errors per product past which a new version does not take the place of the last good one."""


class SiteFeed(Section):
    """One shop's product feed, and what `gateway feed fix` may fill in."""

    links: dict[Language, ExactUrl] = {}
    """Where each language's feed is (`uk = "https://..."`), the main language first."""
    markets: dict[MarketId, ExactUrl] = {}
    """Where each market's feed is (`pl = "https://..."`): its prices, stock and addresses."""
    currency: str | None = Field(None, pattern=r"^[A-Z]{3}$")
    """ISO 4217 code behind prices that have none."""
    brand: str | None = Field(None, min_length=1, max_length=256)
    """Of products that have none."""


class Site(Section):
    """One store: one eSputnik siteId, its keys and settings."""

    secret_files = ("keys", "api_key")

    id: SiteId
    """siteId in GeneralInfo; letters, digits, dot, underscore, hyphen as in eSputnik's own ids."""
    tracker_site_id: SiteId | None = None
    """siteId that eSputnik gave the domain: what goes to the tracker names it in place of `id`."""
    keys: list[Key] = []
    """What a backend presents; several, so that one can be rotated out."""
    tracker: Literal["key", "open"] = "key"
    """Whether /api/v2 wants a key."""
    sources: dict[str, Literal["backend", "browser", "both"]] = {}
    """Which side sends events of a type; of the browser's a backend's are set aside. Without one, both."""
    org_id: str | None = None
    """eSputnik's organisation id, by which messages without a siteId find their site."""
    country: Country = "UA"
    """ISO 3166 code of the country whose national phone format shoppers type."""
    strict: bool = False
    """Whether what would be a warning refuses the event."""
    blocked_ids: frozenset[str] = frozenset()
    """Values that identify nobody in this store, besides the well-known ones."""
    tracker_url: HttpUrl = "https://tracker.yespo.io/api/v2"
    api_url: HttpUrl = "https://yespo.io/api"
    api_key: SecretStr = SecretStr("")
    push_worker_url: ExactUrl = "https://push-notifications.yespo.io/service-worker.js"
    """eSputnik's web push worker, for another's worker to import (Yespo-CDP/yespo-opencart)."""
    ingest_rate: float | None = Field(None, gt=0)
    """Events and calls a second that one process takes before it answers 429; without it, any number."""
    rate: float = Field(200, gt=0)
    """Requests a second to eSputnik; above 200 it answers 429 (docs.reteno.com/reference/addcontact-1)."""
    link_age_days: float = Field(30, gt=0, le=3650)
    """A link ends after this time without the customer being seen on the cookie."""
    ensure_contact: bool = True
    """Whether delivery makes a contact for a customer who has none, before an event that needs it."""
    answer_wait: float = Field(3, ge=0, le=60)
    """Seconds that a call waits for eSputnik's own answer before it is answered as queued."""
    order_statuses: dict[str, OrderStatus] = {}
    """The store's own order statuses as eSputnik's; over those of `order_software`."""
    order_software: Literal["shopify", "woocommerce", "opencart", "magento", "prestashop"] | None = None
    """Whose order statuses are known from the start."""
    back_stitch_days: float = Field(30, ge=0, le=3650)
    """How far before a login the visitor's anonymous events are the customer's."""
    cookies_per_customer: int = Field(50, ge=1)
    """Past so many cookies, the one on which the customer was not seen for longest retires."""
    emails_per_customer: int = Field(5, ge=1)
    phones_per_customer: int = Field(5, ge=1)
    customers_per_contact: int = Field(200, ge=2)
    """So many customers seen with one email or phone, and it is a placeholder that names nobody any more."""
    kiosk_customers: int = Field(200, ge=2)
    """So many customers on one cookie within a day mark it as shared: it links nobody any more."""
    clock_tolerance_seconds: float = Field(300, ge=0)
    """How far a sender's clock may be ahead of ours; what is further ahead is set back to it."""
    feed: SiteFeed = SiteFeed()

    @property
    def names(self) -> tuple[str, ...]:
        """Every siteId by which an event may name it, its own first."""
        given = self.tracker_site_id
        return (self.id,) if given in (None, self.id) else (self.id, given)

    @field_validator("sources")
    @classmethod
    def _of_tracking_events(cls, sources: dict[str, Any]) -> dict[str, Any]:
        if sources:
            catalogue = Catalogue()
            for name in sources:
                if name not in catalogue.events:
                    nearest = catalogue.nearest(name)
                    raise ValueError(f"{name!r} is no tracking event; the nearest name is {nearest!r}")
        if LOGOUT in sources:
            raise ValueError(f"{LOGOUT!r} is the gateway's own event: only a backend can send it")
        return sources

    @model_validator(mode="after")
    def _somebody_can_post(self) -> Self:
        if not self.keys and self.tracker != "open":
            raise ValueError('needs keys = ["..."] unless tracker = "open": nobody could post to it')
        return self


class Config(BaseSettings):
    """The whole configuration. Build it with `load`."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    dev: bool = False
    """Allows fewer replicas than durability on Kafka needs."""
    listen: Listen = Listen()
    limits: Limits = Limits()
    stream: StreamSettings = StreamSettings()
    links: Links = Links()
    delivery: Delivery = Delivery()
    relay: Relay = Relay()
    logs: Logs = Logs()
    operator: Operator = Operator()
    feeds: Feeds = Feeds()
    sites: list[Site] = Field(min_length=1)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, which arrives as the initial values."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [name for site in self.sites for name in site.names]
        for twice in sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"sites: {twice!r} stands twice among their id and tracker_site_id")
        keys = [key for site in self.sites for key in site.keys] + self.operator.keys
        if len({configured_digest(key.get_secret_value()) for key in keys}) != len(keys):
            raise ValueError("sites: one key stands twice; a key must tell its site from every other")
        stream = self.stream
        if stream.kind == "kafka" and not self.dev and (stream.replication < 3 or stream.min_insync < 2):
            raise ValueError(
                "stream: durable on Kafka means replication >= 3 and min_insync >= 2; dev = true allows less"
            )
        return self

    def site(self, site_id: str) -> Site:
        """Return the site of that id; raises KeyError."""
        return {site.id: site for site in self.sites}[site_id]


def load(path: str | Path | None = None) -> Config:
    """Return the configuration from the file and the environment.

    Without a file (argument, else GATEWAY_CONFIG) and without sites in the environment, one site is made of
    GATEWAY_SITE_ID, GATEWAY_SITE_KEY and GATEWAY_ESPUTNIK_KEY. Raises ConfigError with every mistake.
    """
    path = path or os.environ.get("GATEWAY_CONFIG")
    values = _read(Path(path)) if path else {}
    if "sites" not in values and "GATEWAY_SITES" not in os.environ:
        values["sites"] = [_site_of_environment(path)]
    try:
        return Config(**values)
    except ValidationError as problems:
        raise ConfigError([_sentence(error) for error in problems.errors()]) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError([f"{path}: {problem.strerror}"]) from None
    except ValueError as problem:  # no TOML, not in UTF-8, a number of thousands of digits
        raise ConfigError([f"{path}: {problem}"]) from None
    except RecursionError:
        raise ConfigError([f"{path}: it is nested too deep"]) from None


def _site_of_environment(path: str | Path | None) -> dict[str, Any]:
    missing = [name for name in SITE_SHORTCUT if not os.environ.get(name)]
    if missing:
        where = f"{path} names no sites" if path else "no configuration file is given"
        raise ConfigError(
            [f"{where}, and of the variables for one site these are missing: {', '.join(missing)}"]
        )
    site_id, key, api_key = (os.environ[name] for name in SITE_SHORTCUT)
    return {"id": site_id, "keys": [key], "api_key": api_key}


def _sentence(error: Any) -> str:
    """Return one mistake as `place: what is wrong`; never the value, which may be a secret."""
    place = ""
    for part in error["loc"]:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    message = error["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message

"""Which parts a process may run, and what they need of the stream and the database."""

from enum import Enum

from gateway.config import Config
from gateway.errors import ConfigError

EVENTS_TOPIC = "events"


class Part(Enum):
    """What a process may run; all of them together, or each apart."""

    INGEST = "ingest"
    STITCH = "stitch"
    DELIVER = "deliver"
    FEED = "feed"


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

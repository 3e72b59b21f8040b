"""Which settings may change while a process runs, and which need a restart. Pure.

What may change decides only what comes next: keys, and how a site's events are judged, stitched and paced.
What names a thing that is open (files, servers, topics, addresses) or that other processes share needs a
restart, which loses nothing.
"""

from collections.abc import Iterator

from gateway.config import Config, Section
from gateway.errors import ConfigError

OF_A_SITE = frozenset(
    {
        "keys",
        "tracker",
        "tracker_site_id",
        "sources",
        "org_id",
        "country",
        "strict",
        "blocked_ids",
        "api_key",
        "push_worker_url",
        "ingest_rate",
        "rate",
        "link_age_days",
        "back_stitch_days",
        "cookies_per_customer",
        "emails_per_customer",
        "phones_per_customer",
        "customers_per_contact",
        "kiosk_customers",
        "clock_tolerance_seconds",
        "answer_wait",
        "order_statuses",
        "order_software",
    }
)


def changes(running: Config, wanted: Config) -> list[str]:
    """Return the places of the settings that differ, all of which may change at run time.

    Raises ConfigError with a sentence for each that needs a restart; nothing is to be changed then.
    """
    mistakes = list(_need_a_restart(running, wanted))
    if mistakes:
        raise ConfigError(mistakes)
    places = [f"operator.{name}" for name in _differing(running.operator, wanted.operator)]
    for site in wanted.sites:
        places += [f"sites.{site.id}.{name}" for name in _differing(running.site(site.id), site)]
    return places


def _need_a_restart(running: Config, wanted: Config) -> Iterator[str]:
    for name in type(running).model_fields:
        if name in ("sites", "operator"):
            continue
        old, new = getattr(running, name), getattr(wanted, name)
        if isinstance(old, Section):
            yield from (_sentence(f"{name}.{inner}") for inner in _differing(old, new))
        elif old != new:
            yield _sentence(name)
    if bool(running.operator.keys) != bool(wanted.operator.keys):
        yield "operator.keys: the operator's routes come and go only with a restart"
    yield from _sites_that_need_one(running, wanted)


def _sites_that_need_one(running: Config, wanted: Config) -> Iterator[str]:
    old = {site.id: site for site in running.sites}
    new = {site.id: site for site in wanted.sites}
    for site_id in sorted(old.keys() ^ new.keys()):
        yield f"sites: {site_id!r} is {'added' if site_id in new else 'removed'}, which needs a restart"
    for site_id in sorted(old.keys() & new.keys()):
        for name in _differing(old[site_id], new[site_id]):
            if name not in OF_A_SITE:
                yield _sentence(f"sites.{site_id}.{name}")


def _differing(old: Section, new: Section) -> list[str]:
    return [name for name in type(old).model_fields if getattr(old, name) != getattr(new, name)]


def _sentence(place: str) -> str:
    return f"{place}: needs a restart to change"

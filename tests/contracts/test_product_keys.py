"""Whether a site's sources name products alike, in both databases."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from gateway.calls import ApiCall
from gateway.clock import SystemClock
from gateway.console.product_keys import told
from gateway.event import Record
from gateway.product_keys import table
from gateway.product_keys.comparing import standings
from gateway.product_keys.reading import Source, keys_of
from gateway.product_keys.sample import DAY_MS, SIZE
from gateway.product_keys.watching import KeyWatch
from gateway.store import Store

CLOCK = SystemClock()
TODAY = CLOCK.now_ms() // DAY_MS


def record(kind: str, body: Any, site: str = "shop", days_later: int = 0) -> Record:
    at = CLOCK.now_ms() + days_later * DAY_MS
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return Record("id", site, kind, "lane", None, None, None, None, at, at, content)


def viewed(key: Any, **of: Any) -> Record:
    return record("ProductPage", {"ProductPage": {"Product": {"productKey": key}}}, **of)


def ordered(*keys: str, **of: Any) -> Record:
    return record(ApiCall.ADD_ORDERS, {"items": [{"externalItemId": key} for key in keys]}, **of)


def pushed(keys: Sequence[str], group: str = "", **of: Any) -> Record:
    parent = {"itemGroupId": group} if group else {}
    products = [{"productId": key, **parent} for key in keys]
    return record(ApiCall.UPDATE_PRODUCTS, {"products": products}, **of)


async def compared(store: Store, records: Iterable[Record], site: str = "shop") -> dict[str, Any]:
    watch = KeyWatch(store, [site], CLOCK)
    for one in records:
        watch.look(one)
    await watch.write()
    answer = told(site, await table.read(store, site, TODAY))
    return {one.pop("source"): one for one in answer["sources"]}


def share(site: str, source: str) -> float | None:
    return REGISTRY.get_sample_value("gateway_product_keys_unknown_ratio", {"site": site, "source": source})


def test_keys_are_read_where_each_type_has_them_and_nothing_else_is() -> None:
    lines = [{"product_id": 7}, {"product_id": " 8 "}, {"product_id": "x" * 129}, {"product_id": "\x00"}]
    bodies = {
        "StatusCart": {"StatusCart": {"Products": [{"productKey": "a"}, {"productKey": None}, 5]}},
        "PurchasedItems": {"PurchasedItems": {"Products": lines}},
        "AddToWishlist": {"AddToWishlist": {"Product": {"productKey": "b"}}},
        "PageView": {"ProductPage": {"Product": {"productKey": "c"}}},
        "ProductPage": b"{not json",
        ApiCall.UPDATE_PRODUCTS: {"products": [{"productId": "p", "itemGroupId": "g"}]},
    }
    found = [key for kind, body in bodies.items() for key in keys_of(record(kind, body))]
    tracked = [(Source.TRACKING, key) for key in ("a", "7", "8", "b")]
    assert found == [*tracked, (Source.PRODUCTS, "p"), (Source.GROUPS, "g")]
    assert list(keys_of(viewed("d"))) == [(Source.TRACKING, "d")]
    assert list(keys_of(ordered("e"))) == [(Source.ORDERS, "e")]


async def test_one_id_space_is_no_mismatch_though_most_products_are_never_ordered(store: Store) -> None:
    keys = [f"sku-{number}" for number in range(20_000)]
    records = [pushed(keys), *map(viewed, keys[:4000]), ordered(*keys[:1500])]
    with capture_logs() as logs:
        found = await compared(store, records, "shop")
    assert logs == []
    assert found["products"]["sampled"] == SIZE
    assert found["tracking"]["compared"] >= 100
    assert [found[source]["unknown"] for source in ("tracking", "orders")] == [0, 0]
    assert not any(standing["apart"] for standing in found.values())


async def test_line_item_ids_in_orders_are_told_by_metric_one_warning_and_examples(store: Store) -> None:
    keys = [f"sku-{number}" for number in range(60)]
    records = [pushed(keys), *map(viewed, keys), ordered(*(f"line-{number}" for number in range(40)))]
    watch = KeyWatch(store, ["lines"], CLOCK)
    with capture_logs() as logs:
        for one in records:
            one.site = "lines"
            watch.look(one)
        await watch.write()
        watch.look(viewed("sku-new", site="lines"))
        await watch.write()
    (warned,) = logs
    assert (warned["event"], warned["site"], warned["source"]) == ("product_keys_apart", "lines", "orders")
    assert (warned["compared"], warned["unknown"], warned["groups"]) == (40, 40, 0)
    assert "line-" not in str(warned)
    assert (share("lines", "orders"), share("lines", "products")) == (1, 0)
    answer = told("lines", await table.read(store, "lines", TODAY))
    orders = next(one for one in answer["sources"] if one["source"] == "orders")
    assert orders["examples"] == ("line-0", "line-1", "line-10", "line-11", "line-12")


async def test_parents_ids_in_tracking_are_told_from_variants_ids_in_products(store: Store) -> None:
    records = [pushed([f"p{n}-red", f"p{n}-blue"], group=f"p{n}") for n in range(30)]
    found = await compared(store, [*records, *(viewed(f"p{n}") for n in range(30))])
    tracking = found["tracking"]
    assert (tracking["apart"], tracking["unknown"], tracking["unknown_that_are_groups"]) == (True, 30, 30)
    assert found["products"]["apart"]


async def test_nothing_is_concluded_from_one_source_or_from_few_keys(store: Store) -> None:
    found = await compared(store, map(viewed, map(str, range(100))))
    assert (found["tracking"]["sampled"], found["tracking"]["compared"]) == (100, 0)
    found = await compared(store, [ordered("line-1", "line-2")])
    assert found["tracking"]["unknown"] == 100
    assert not any(standing["apart"] for standing in found.values())


async def test_samples_of_processes_meet_are_bounded_and_are_each_sites_own(store: Store) -> None:
    keys = [f"sku-{number}" for number in range(5000)]
    await compared(store, map(viewed, keys[::2]))
    await compared(store, map(viewed, keys[1::2]))
    alone = KeyWatch(store, ["other"], CLOCK)
    for key in keys:
        alone.look(viewed(key, site="other"))
        alone.look(viewed(key, site="nobody's"))
    await alone.write()
    rows = await table.read(store, "shop", TODAY)
    assert len(rows[Source.TRACKING]) == SIZE
    assert await table.read(store, "other", TODAY) == rows
    assert not any((await table.read(store, "nobody's", TODAY)).values())


async def test_keys_that_are_not_seen_for_long_go(store: Store) -> None:
    await table.keep(store, "shop", [(Source.TRACKING, 1, "old"), (Source.PRODUCTS, 1, "lasting")], TODAY - 8)
    assert [row.sampled for row in standings(await table.read(store, "shop", TODAY)).values()] == [0, 0, 1]
    await table.keep(store, "shop", [(Source.TRACKING, 2, "new")], TODAY)
    rows = await table.read(store, "shop", TODAY - 8)
    assert rows[Source.TRACKING] == [(2, "new")]


class Later(SystemClock):
    days = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.days * DAY_MS


async def test_a_key_that_is_seen_again_on_another_day_stays_longer(store: Store) -> None:
    clock = Later()
    watch = KeyWatch(store, ["shop"], clock)
    for clock.days, keys in ((0, ("once", "again")), (5, ("again",))):
        for key in keys:
            watch.look(viewed(key, days_later=clock.days))
        await watch.write()
    rows = await table.read(store, "shop", TODAY + 10)
    assert [key for _, key in rows[Source.TRACKING]] == ["again"]

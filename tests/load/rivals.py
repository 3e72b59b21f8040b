"""What the gateway is measured against: `python -m tests.load.rivals KIND PORT BROKERS`.

floor   a bare aiohttp handler that parses with orjson and answers 202
naive   aiohttp, `send_and_wait` per event
sketch  orjson, jsonschema-rs, grouped create_batch/send_batch with one future per group, a result per event
"""

import asyncio
import sys
import uuid
import zlib

import jsonschema_rs
import orjson
import uvloop
from aiohttp import web
from aiokafka import AIOKafkaProducer

PARTITIONS = 8
SCHEMA = {
    "type": "object",
    "required": ["GeneralInfo"],
    "properties": {
        "GeneralInfo": {
            "type": "object",
            "required": ["eventName", "siteId", "datetime"],
            "properties": {
                "eventName": {"type": "string"},
                "siteId": {"type": "string"},
                "datetime": {"type": "integer"},
                "externalCustomerId": {"type": "string"},
                "cookies": {"type": "object", "properties": {"sc": {"type": "string"}}},
            },
        },
        "StatusCart": {"type": "object", "required": ["GUID", "Products"]},
        "PurchasedItems": {"type": "object", "required": ["OrderNumber"]},
    },
}


async def parse(request: web.Request) -> list[dict]:
    value = orjson.loads(await request.read())
    return value if isinstance(value, list) else [value]


def floor() -> web.Application:
    async def handle(request: web.Request) -> web.Response:
        await parse(request)
        return web.Response(status=202)

    return application(handle)


def naive(producer: AIOKafkaProducer) -> web.Application:
    async def handle(request: web.Request) -> web.Response:
        events = await parse(request)
        sends = []
        for event in events:
            key = event["GeneralInfo"]["cookies"]["sc"].encode()
            sends.append(producer.send_and_wait("naive", orjson.dumps(event), key))
        await asyncio.gather(*sends)
        return web.Response(status=202)

    return application(handle)


class Group:
    def __init__(self) -> None:
        self.partitions: list[list[tuple[bytes, bytes]]] = [[] for _ in range(PARTITIONS)]
        self.durable = asyncio.get_running_loop().create_future()


def sketch(producer: AIOKafkaProducer) -> web.Application:
    is_valid = jsonschema_rs.validator_for(SCHEMA).is_valid
    open_group: Group | None = None
    busy = False

    async def flush(group: Group) -> None:
        sends = []
        for partition, entries in enumerate(group.partitions):
            if not entries:
                continue
            batch = producer.create_batch()
            for key, value in entries:
                if batch.append(key=key, value=value, timestamp=None) is None:
                    sends.append(await producer.send_batch(batch, "sketch", partition=partition))
                    batch = producer.create_batch()
                    batch.append(key=key, value=value, timestamp=None)
            sends.append(await producer.send_batch(batch, "sketch", partition=partition))
        await asyncio.gather(*sends)
        group.durable.set_result(None)

    async def flushing() -> None:
        nonlocal open_group, busy
        while open_group is not None:
            group, open_group = open_group, None
            await flush(group)
        busy = False

    async def handle(request: web.Request) -> web.Response:
        nonlocal open_group, busy
        events = await parse(request)
        group = open_group = open_group or Group()
        results = []
        for index, event in enumerate(events):
            if not is_valid(event):
                results.append({"index": index, "status": "refused"})
                continue
            key = event["GeneralInfo"]["cookies"]["sc"].encode()
            group.partitions[zlib.crc32(key) % PARTITIONS].append((key, orjson.dumps(event)))
            results.append({"index": index, "id": str(uuid.uuid4()), "status": "accepted"})
        if not busy:
            busy = True
            asyncio.ensure_future(flushing())  # noqa: RUF006 - it lives as long as there is something to flush
        await group.durable
        return web.Response(body=orjson.dumps({"results": results}), status=202)

    return application(handle)


def application(handle) -> web.Application:
    app = web.Application(client_max_size=10**7)
    app.router.add_post("/v1/events", handle)
    return app


async def main(kind: str, port: int, brokers: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all", max_batch_size=2**19)
    if kind == "floor":
        app = floor()
    else:
        await producer.start()
        app = naive(producer) if kind == "naive" else sketch(producer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))

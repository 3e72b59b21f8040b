"""The README is true: its configuration runs, its requests are answered and arrive as it says."""

import json
import re
import time
from pathlib import Path

import aiohttp

from gateway.demo.parts import free_port
from tests.ledger import until_taken
from tests.processes import Process, running

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
CURL = re.compile(r"curl -s -u \S+:(\S+) (\S+) -d '(.*?)'", re.DOTALL)
SECONDS = "'$(date +%s)000'"
"""How the README's shell writes the time of day."""


async def test_the_events_of_the_readme_travel_as_it_tells(tmp_path: Path):
    api, sandbox, metrics = free_port(), free_port(), free_port()
    ports = {"8080": api, "8090": sandbox, "9100": metrics}
    text = re.sub("|".join(ports), lambda port: str(ports[port[0]]), README)
    (toml,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    config = tmp_path / "gateway.toml"
    config.write_text(toml.replace("data/", f"{tmp_path}/"))
    stand_in = Process("sandbox", "--port", str(sandbox), port=sandbox)
    gateway = Process("run", "--config", str(config), port=api)
    url = f"http://127.0.0.1:{sandbox}"
    with running(stand_in, gateway):
        for key, where, body in CURL.findall(text.replace(SECONDS, f"{time.time():.0f}000")):
            async with (
                aiohttp.ClientSession() as http,
                http.post(where, data=body, headers={"Authorization": f"Bearer {key}"}) as answer,
            ):
                told = await answer.json()
                assert told.get("accepted") == 1 if where.endswith("/v1/events") else told["id"]
        arrived = await until_taken(url, 3)
    info = [request["body"]["GeneralInfo"] for request in arrived]
    assert [i["eventName"] for i in info] == ["StatusCart", "CustomerData", "MainPage"]
    assert [i["cookies"]["sc"] for i in info] == ["c-1"] * 3
    assert [i.get("externalCustomerId") for i in info] == [None, "42", "42"]


def test_the_json_that_the_readme_shows_is_json():
    blocks = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        json.loads(block)

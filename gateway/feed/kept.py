"""The last good version of each feed on this machine's disk, and the route that serves it.

`GET /sites/{site}/feed/{language}.xml` needs no key: a feed is what a shop shows to everybody.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import orjson
from aiohttp import hdrs, web

from gateway.config import Config
from gateway.feed.source import Source, pieces
from gateway.ingest.openapi import PROBLEM
from gateway.ingest.problem import Problem
from gateway.ingest.routes import Route

_PATH = "/sites/{site}/feed/{language}.xml"
_PARAMETERS = [
    {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    for name in ("site", "language")
]
_SUMMARY = "The last good version of a site's feed in a language"
_GET = {
    "summary": _SUMMARY,
    "tags": ["pages"],
    "responses": {
        "200": {"description": _SUMMARY, "content": {"application/xml": {"schema": {"type": "string"}}}},
        "206": {"description": "the part of it that was asked for"},
        "304": {"description": "as the caller has it already"},
        "404": {"description": "there is none", "content": PROBLEM},
        "416": {"description": "it has no such part"},
    },
}


class Kept:
    """The folder of one site's feeds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, language: str) -> Path:
        """Return where the last good version stands, if there is one."""
        return self._folder / f"{language}.xml"

    def keep(self, language: str, source: Source, limit: int) -> None:
        """Make the source, whose file may move, the last good version, unpacked. Raises FeedUnreadable."""
        whole = source.path
        if source.is_packed:
            whole = source.path.with_suffix(".unpacked")
            with whole.open("wb") as file:
                file.writelines(pieces(source.path, limit))
        with whole.open("rb") as file:
            os.fsync(file.fileno())
        shutil.move(whole, self.path(language))

    def tell(self, report: Any) -> None:
        """Write down what the newest check found."""
        part = self._folder / ".report.json"
        part.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        part.replace(self._folder / "report.json")


class KeptRoutes:
    """Serves the last good versions of configured feeds, and nothing else of the disk."""

    def __init__(self, config: Config) -> None:
        self._paths = {
            (site.id, language): Kept(config.feeds.path / site.id).path(language)
            for site in config.sites
            for language in site.feed.links
        }

    def routes(self) -> list[Route]:
        """Return method, path and handler of each route; none without a feed."""
        return [(method, _PATH, self.get_feed) for method in (hdrs.METH_GET, hdrs.METH_HEAD) if self._paths]

    def contract(self) -> dict[str, Any]:
        """Return what OpenAPI says of the route, by its path; nothing without a feed."""
        return {_PATH: {"parameters": _PARAMETERS, "get": _GET}} if self._paths else {}

    async def get_feed(self, request: web.Request) -> web.StreamResponse:
        """Return the last good version of a feed, or what of it changed or is asked for."""
        path = self._paths.get((request.match_info["site"], request.match_info["language"]))
        if path is None:
            raise Problem(404, "not_found", "no site has a feed in this language")
        if not path.is_file():
            raise Problem(404, "not_found", "no version of this feed was good yet")
        return web.FileResponse(path, headers={hdrs.CONTENT_TYPE: "application/xml"})

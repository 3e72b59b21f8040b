"""A JavaScript file that pages load, made once and served many times."""

import gzip
import hashlib
import re
from collections.abc import Mapping

from aiohttp import ETag, hdrs, web

_TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q\s*=\s*0(\.0*)?\s*(,|$))", re.IGNORECASE)


class File:
    """A file with its packed form, its ETag and its headers, ready for every request."""

    def __init__(self, source: str, headers: Mapping[str, str]) -> None:
        self._body = source.encode()
        self._packed = gzip.compress(self._body)
        # Weak, for one stands for both forms.
        self._etag = ETag(hashlib.sha256(self._body).hexdigest()[:32], is_weak=True)
        self._headers = {**headers, hdrs.VARY: hdrs.ACCEPT_ENCODING}

    def answer(self, request: web.Request) -> web.Response:
        """Return the file, packed for whoever takes that, or 304 to whoever has it already."""
        answer = web.Response(headers=self._headers)
        answer.etag = self._etag
        if any(known.value in (self._etag.value, "*") for known in request.if_none_match or ()):
            answer.set_status(304)
            return answer
        answer.content_type, answer.charset = "text/javascript", "utf-8"
        if _TAKES_GZIP.search(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
            answer.headers[hdrs.CONTENT_ENCODING] = "gzip"
            answer.body = self._packed
        else:
            answer.body = self._body
        return answer

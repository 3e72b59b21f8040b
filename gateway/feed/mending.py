"""Turns a feed's bytes into well-formed UTF-8 as far as that is mechanical, and says what it changed.

`check` reads through it, so that a bare & does not hide all that comes after it; `fix` writes what it gives.
No newline is added or lost, so lines stay what they are. Half of a character, an entity or a section that a
piece ends with waits for the next piece.
"""

import codecs
import re
from collections.abc import Callable
from html.entities import html5

from gateway.errors import FeedUnreadable
from gateway.feed.findings import Finding

_WINDOWS = {"cp1250", "cp1251", "cp1252"}
_EIGHT_BITS = _WINDOWS | {"cp866", "koi8-r", "koi8-u", "iso8859-1", "iso8859-2", "iso8859-5", "iso8859-15"}
_ENCODINGS = _EIGHT_BITS | {"utf-8", "ascii", "utf-16"}
_FALLBACK = "cp1251"
"""What Ukrainian and Russian shop software writes where it does not write UTF-8."""
_DECLARATION = re.compile(
    rb"(<\?xml\b[^>]{0,200}?\bencoding\s*=\s*[\"'])([A-Za-z0-9._-]{1,40})([\"'][^>]{0,100}>)"
)
_ENTITY = re.compile(
    rb"&(?!(?:amp|lt|gt|quot|apos);)(?:#(\d{1,8}|x[0-9A-Fa-f]{1,6});|([A-Za-z][A-Za-z0-9]{1,30};))?"
)
_LESS = re.compile(rb"<(?![A-Za-z_:/!?\x80-\xff])")
_NO_TAG = re.compile(rb"<(?![A-Za-z_:/\x80-\xff])")
"""A < that is bare or opens what is verbatim; most pieces of a feed hold neither."""
_BROKEN = re.compile(_ENTITY.pattern + b"|" + _LESS.pattern)
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r")
_CONTROL = re.compile(b"[" + re.escape(_CONTROLS) + b"]")
_VERBATIM = re.compile(rb"<!\[CDATA\[|<!--|<\?")
_CLOSING = {b"<![CDATA[": b"]]>", b"<!--": b"-->", b"<?": b"?>"}
_LONGEST = 40
"""Bytes of the longest entity or opening that a piece may cut in two."""


class Mender:
    """Takes a feed piece by piece, the XML declaration in the first; tells `note` what it mends."""

    def __init__(self, note: Callable[[Finding], None]) -> None:
        self._note = note
        self._line = 1
        self._decoder: codecs.IncrementalDecoder | None = None
        self._begun = False
        self._tail = b""
        """The start of a character in UTF-8 whose end has not come."""
        self._held = b""
        self._until = b""
        """What ends the CDATA section or comment that we are in."""

    def feed(self, data: bytes) -> bytes:
        """Return what can be given on by now; raises FeedUnreadable for an encoding that nobody knows."""
        if self._begun:
            return self._mend(self._held + self._utf8(data, last=False), last=False)
        self._begun = True
        return self._mend(self._declare(self._utf8(self._begin(data), last=False)), last=False)

    def close(self) -> bytes:
        """Return the rest."""
        return self._mend(self._held + self._utf8(b"", last=True), last=True)

    def _begin(self, data: bytes) -> bytes:
        """Find out the encoding; return the data without a byte order mark."""
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return self._in("utf-16", data, "encoding")
        data = data.removeprefix(codecs.BOM_UTF8)
        declared = _DECLARATION.search(data[:1000])
        encoding = _codec(declared[2].decode()) if declared else "utf-8"
        strange = _first_stranger(data)
        if encoding in _EIGHT_BITS:
            if strange is not None or data.isascii():
                return self._in(encoding, data, "encoding")
            self._note(Finding("wrong_encoding", 1, detail=f"{encoding} is declared, and it is UTF-8"))
        elif encoding == "utf-16":
            self._note(Finding("wrong_encoding", 1, detail="UTF-16 is declared, and it is UTF-8"))
        elif strange is not None and not _is_mostly_utf8(data):
            self._note(
                Finding("wrong_encoding", 1 + data.count(b"\n", 0, strange), detail="reads like windows-1251")
            )
            return self._in(_FALLBACK, data, None)
        return data

    def _in(self, encoding: str, data: bytes, code: str | None) -> bytes:
        if code:
            self._note(Finding(code, 1, detail=encoding))
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        return data

    def _declare(self, data: bytes) -> bytes:
        """Return the data with UTF-8 as what it declares, and the declaration at its very start."""
        found = _DECLARATION.search(data[:1000])
        if found:
            data = data[: found.start(2)] + b"UTF-8" + data[found.end(2) :]
        space = data[: len(data) - len(data.lstrip())]
        if space and data.startswith(b"<?xml", len(space)):
            self._note(Finding("before_declaration", 1))
            end = data.find(b">") + 1
            data = data[len(space) : end] + space + data[end:]
        return data

    def _utf8(self, data: bytes, last: bool) -> bytes:
        """Return the data in UTF-8, what is none of it read as windows-1251."""
        if self._decoder is not None:
            return self._decoder.decode(data, last).encode()
        data = self._tail + data
        sound = len(data) if last else whole_characters(data)
        data, self._tail = data[:sound], data[sound:]
        try:
            data.decode()
        except UnicodeDecodeError:
            return self._without_strangers(data)
        return data

    def _without_strangers(self, data: bytes) -> bytes:
        parts = []
        at = 0
        line, seen = self._line + self._held.count(b"\n"), 0
        while True:
            try:
                parts.append(data[at:].decode())
                return "".join(parts).encode()
            except UnicodeDecodeError as problem:
                start, end = at + problem.start, at + problem.end
            line += data.count(b"\n", seen, start)
            seen = start
            self._note(Finding("not_utf8", line, detail=data[start:end].hex(" ")))
            parts += [data[at:start].decode(), data[start:end].decode(_FALLBACK, "replace")]
            at = end

    def _mend(self, data: bytes, last: bool) -> bytes:
        """Return the data, which is UTF-8, without what XML forbids."""
        mended = data.translate(None, _CONTROLS)
        if len(mended) != len(data):
            for found in _CONTROL.finditer(data):
                line = self._line + data.count(b"\n", 0, found.start())
                self._note(Finding("control_character", line, detail=f"0x{found[0][0]:02x}"))
            data = mended
        parts = []
        at = 0
        while at < len(data):
            piece, at = self._piece(data, at, last)
            if piece is None:
                break
            parts.append(piece)
        self._held = data[at:]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _piece(self, data: bytes, at: int, last: bool) -> tuple[bytes | None, int]:
        """Return the next stretch of one kind, mended, and where it ends; None where it may be cut in two."""
        if self._until:
            end = data.find(self._until, at)
            if end >= 0:
                end += len(self._until)
                self._until = b""
            else:
                end = len(data) if last else max(at, len(data) - 2)
            piece = data[at:end]
            self._line += piece.count(b"\n")
            return (piece or None), end
        strange = _NO_TAG.search(data, at)
        opening = _VERBATIM.search(data, strange.start()) if strange else None
        if opening:
            end = opening.end()
            self._until = _CLOSING[opening[0]]
        else:
            end = len(data) if last else _safe_end(data, at)
        return (self._outside(data[at:end], strange is not None) if end > at else None), end

    def _outside(self, data: bytes, strange: bool) -> bytes:
        """Return text and tags with the entities that XML knows, and no others."""
        if not (_ENTITY.search(data) or (strange and _LESS.search(data))):
            self._line += data.count(b"\n")
            return data
        seen = 0

        def mended(found: re.Match[bytes]) -> bytes:
            nonlocal seen
            self._line += data.count(b"\n", seen, found.start())
            seen = found.start()
            code, right = _right(found)
            if code:
                self._note(Finding(code, self._line, detail=found[0].decode()))
            return right

        result = _BROKEN.sub(mended, data)
        self._line += data.count(b"\n", seen)
        return result


def _right(found: re.Match[bytes]) -> tuple[str, bytes]:
    """Return the finding's code, "" where all is well, and what should stand there."""
    text = found[0]
    if text == b"<":
        return "less_than", b"&lt;"
    if found[1]:
        number = int(found[1][1:], 16) if found[1].startswith(b"x") else int(found[1])
        return ("", text) if _is_character(number) else ("control_character", b"")
    if found[2]:
        character = html5.get(found[2].decode())
        return ("entity", character.encode()) if character else ("entity", b"&amp;" + text[1:])
    return "ampersand", b"&amp;"


def _is_character(number: int) -> bool:
    """Return whether XML 1.0 has a character of that number."""
    return (
        number in (9, 10, 13)
        or 32 <= number < 0xD800
        or 0xE000 <= number < 0xFFFE
        or 0xFFFF < number < 0x110000
    )


def _safe_end(data: bytes, at: int) -> int:
    """Return where a piece may end so that no entity and no opening is cut in two."""
    tail = max(at, len(data) - _LONGEST)
    last = max(data.rfind(b"&", tail), data.rfind(b"<", tail))
    return len(data) if last < 0 else last


def whole_characters(data: bytes) -> int:
    """Return how many bytes of the data are whole characters of UTF-8; at its end one may have begun."""
    for back in range(1, min(4, len(data) + 1)):
        lead = data[-back]
        if lead >= 0xC0:
            needs = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            return len(data) - back if needs > back else len(data)
        if lead < 0x80:
            break
    return len(data)


def _first_stranger(data: bytes) -> int | None:
    """Return where the first byte stands that is no UTF-8."""
    try:
        data[: whole_characters(data)].decode()
    except UnicodeDecodeError as problem:
        return problem.start
    return None


def _is_mostly_utf8(data: bytes) -> bool:
    """Return whether the data is UTF-8 with strangers in it, rather than another encoding altogether."""
    strangers = data.decode(errors="replace").count("\N{REPLACEMENT CHARACTER}")
    return strangers * 20 < sum(byte >= 0xC0 for byte in data)


def _codec(name: str) -> str:
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        codec = ""
    if codec not in _ENCODINGS:
        raise FeedUnreadable(
            f"declares the encoding {name}, which feed readers do not know: write it in UTF-8", 1
        )
    return codec

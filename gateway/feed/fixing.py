"""Writes a feed anew, mended where that is mechanical: streamed, and there whole or not at all."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape

from gateway.errors import FeedUnreadable
from gateway.feed.findings import Finding
from gateway.feed.item import Item
from gateway.feed.mending import Mender
from gateway.feed.reading import Reader
from gateway.feed.repairs import Repair, Settings, repairs
from gateway.feed.report import Report
from gateway.feed.source import Source, pieces

DONE = {
    "encoding": "written in UTF-8",
    "wrong_encoding": "written in UTF-8",
    "not_utf8": "strange bytes read as windows-1251",
    "before_declaration": "moved behind <?xml ...?>",
    "control_character": "left out",
    "entity": "written as the character itself",
    "ampersand": "written as &amp;",
    "less_than": "written as &lt;",
    "missing": "added",
    "empty": "filled in",
    "price": "written as the specification wants it",
    "no_currency": "given its currency",
    "relative_url": "written whole",
    "sale_above_price": "left out",
}
"""What was done about each finding."""

_START_TAG = re.compile(rb"<([^\s/>]+)(?:\"[^\"]*\"|'[^']*'|[^>\"'])*>")
_SHOWN = 100


def fix(source: Source, target: Path, settings: Settings) -> Report:
    """Write the mended feed to `target` and return what was changed, as findings with what they became.

    Raises FeedUnreadable where the feed is broken beyond that, or the target cannot be written; an old target
    then stays as it was.
    """
    report = Report()
    with _whole_or_not_at_all(target) as file:
        _Fixer(file, settings, report, source.name).run(source)
    return report


@contextmanager
def _whole_or_not_at_all(target: Path) -> Iterator[BinaryIO]:
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as problem:
        raise FeedUnreadable(f"cannot be written to {target}: {problem.strerror}") from None
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


class _Fixer:
    """One feed on its way from the source to the file."""

    def __init__(self, file: BinaryIO, settings: Settings, report: Report, name: str) -> None:
        self._file = file
        self._settings = settings
        self._report = report
        self._name = name
        self._reader = Reader(places=True)
        self._data = b""
        """What was read of late."""
        self._offset = 0
        """Of its first byte, in all that was read."""
        self._done = 0
        """How many bytes of it are written, or left out."""

    def run(self, source: Source) -> None:
        if source.problem is not None:
            raise source.problem
        mender = Mender(lambda finding: self._report.add(self._name, finding))
        for piece in pieces(source.path):
            self._take(mender.feed(piece))
        self._take(mender.close(), last=True)
        self._write(self._offset + len(self._data))

    def _take(self, data: bytes, last: bool = False) -> None:
        self._offset += self._done
        self._data = self._data[self._done :] + data
        self._done = 0
        for item in self._reader.feed(data, last):
            self._mend(item)
        self._write(self._reader.settled)

    def _mend(self, item: Item) -> None:
        settings = self._settings
        if settings.base is None:
            settings = replace(settings, base=self._reader.channel_link or None)
        for repair in sorted(
            repairs(item, settings), key=lambda one: one.place.start if one.place else item.end
        ):
            self._report.add(self._name, _told(repair, item))
            self._change(repair, item)

    def _change(self, repair: Repair, item: Item) -> None:
        """Write what stands before the field, then the field as it should be, and skip what it was."""
        text = escape(repair.value or "").encode()
        if repair.place is None:
            self._write(item.end)
            tag = f"{self._reader.prefix}:{repair.field}".encode()
            self._file.write(b"<%b>%b</%b>\n" % (tag, text, tag))
            return
        self._write(repair.place.start)
        tag, end = self._element(repair.place.end)
        if repair.value is not None:
            self._file.write(b"<%b>%b</%b>" % (tag, text, tag))
        self._done = end

    def _element(self, end: int) -> tuple[bytes, int]:
        """Return the tag of the element that comes next, and where it ends; its end tag begins at `end`."""
        opening = _START_TAG.match(self._data, self._done)
        assert opening is not None
        if opening[0].endswith(b"/>"):
            return opening[1], opening.end()
        return opening[1], self._data.index(b">", end - self._offset) + 1

    def _write(self, until: int) -> None:
        """Write what was read up to that offset, unless it is written."""
        ready = until - self._offset
        if ready > self._done:
            self._file.write(self._data[self._done : ready])
            self._done = ready


def _told(repair: Repair, item: Item) -> Finding:
    before = repair.place.value[:_SHOWN] if repair.place else ""
    after = repair.value[:_SHOWN] if repair.value else ""
    detail = f"{before} → {after}" if before and after else before or after
    return Finding(repair.code, item.line_of(repair.field), item.id, repair.field, detail)

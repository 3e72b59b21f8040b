"""Imports a file through a running gateway: batch by batch, resumable, in constant memory.

Beside the file stand `FILE.progress`, how far it has got, and `FILE.failed.csv` (or `.ndjson`), the rows that
were not taken with the reason, to be mended and imported again. What a stop left half done is done again: the
gateway knows each batch by its key.
"""

import csv
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from gateway.calls import ApiCall
from gateway.errors import GatewayError
from gateway.jobs.client import Gateway, message_of
from gateway.jobs.files import Numbered, Row, rows_of
from gateway.jobs.rows import COLUMNS, REASON, columns
from gateway.validation import CallJudge, Refused

BATCH = {"contacts": 3000, "orders": 1000, "events": 500}
"""Rows in one call (docs.reteno.com/reference/contactsbulkupdate-1; docs pages 29860881116, 29352572214)."""
BATCH_BYTES = 1_000_000
"""Of the rows in one call: a quarter of what the gateway takes, and what its client sends in one piece."""
_CALLS = {
    "contacts": ApiCall.ADD_CONTACTS,
    "orders": ApiCall.ADD_ORDERS,
    "events": ApiCall.ADD_PAST_EVENTS,
}
_PATHS = {"contacts": "/v1/contacts", "orders": "/v1/orders", "events": "/v1/past_events"}

Tell = Callable[[int, int], None]
"""Told how many rows are done and how many of them failed."""


@dataclass
class Progress:
    """How far an import has got; what `FILE.progress` holds."""

    size: int
    """Of the file, by which one that has changed is known."""
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Tells the batches of this import from those of an earlier one of the same rows."""
    done: int = 0
    """Rows that need not be read again."""
    failed: int = 0
    failed_bytes: int = 0
    """Of the failed file; what is behind them is written again."""
    queued: int = 0
    """Orders and events that the gateway has, and eSputnik had not answered for."""
    jobs: list[tuple[str, int, int]] = field(default_factory=list)
    """Imports at eSputnik whose end is not looked at yet: id, and the first and the last row's number."""


class Importer:
    """Imports one file; `terms` stand beside the rows in every call."""

    def __init__(
        self, path: Path, kind: str, judge: CallJudge, terms: Mapping[str, Any], http: Gateway, tell: Tell
    ) -> None:
        self._path = path
        self._kind = kind
        self._judge = judge
        self._terms = terms
        self._http = http
        self._tell = tell
        self._progress_file = path.with_name(path.name + ".progress")
        suffix = ".csv" if path.suffix.lower() == ".csv" else ".ndjson"
        self.failed_file = path.with_name(path.name + f".failed{suffix}")

    def check(self) -> Progress:
        """Return what would become of every row by our own rules; nothing is sent or written."""
        progress = Progress(self._path.stat().st_size)
        for row in rows_of(self._path, self._kind):
            progress.done += 1
            progress.failed += self._objection(row) is not None
            self._tell(progress.done, progress.failed)
        return progress

    async def run(self) -> Progress:
        """Import the file, or what is left of it, and return once eSputnik has ended every import.

        Raises GatewayError with a sentence where the gateway does not take it; called again, it goes on.
        """
        progress = self._begun()
        for batch in _batches(rows_of(self._path, self._kind), progress.done, BATCH[self._kind]):
            judged = [(row, self._objection(row)) for row in batch]
            bad: list[tuple[Row, str]] = [(row.raw, reason) for row, reason in judged if reason is not None]
            good = [row for row, reason in judged if reason is None]
            bad += await self._send(good, progress) if good else []
            progress.done = batch[-1].number
            self._keep(progress, bad)
        for job in list(progress.jobs):
            ended = await self._http.ended(job[0])
            progress.jobs.remove(job)
            self._keep(progress, self._not_taken(ended, *job[1:]))
        return progress

    def _not_taken(self, ended: Mapping[str, Any], first: int, last: int) -> list[tuple[Row, str]]:
        """Return the rows that eSputnik did not take: all that were sent, of an import not carried out."""
        if ended["status"] == "FINISHED":
            return [(row["row"], row["reason"]) for row in ended["failed_rows"]]
        reason = f"{ended['status']}: {ended['description']}"
        rows = islice(rows_of(self._path, self._kind), first - 1, last)
        return [(row.raw, reason) for row in rows if self._objection(row) is None]

    def _objection(self, row: Numbered) -> str | None:
        """Return why the row cannot be sent; None where it can."""
        if row.row is None:
            return "the line is no JSON object"
        verdict = self._judge.judge(_CALLS[self._kind], {self._kind: [row.row], **self._terms})
        if not isinstance(verdict, Refused):
            return None
        error = verdict.errors[0]
        return f"{error.pointer}: {error.message}"

    async def _send(self, rows: list[Numbered], progress: Progress) -> list[tuple[Row, str]]:
        """Post the rows, fewer at once where a call is too large; return those that are refused alone."""
        body = {self._kind: [row.row for row in rows], **self._terms}
        status, answer = await self._http.post(_PATHS[self._kind], body, progress.run)
        if status == 200:
            return self._taken(rows, answer, progress)
        if status not in (400, 413):
            raise GatewayError(f"the gateway answered {status}: {message_of(answer)}")
        if len(rows) == 1:
            return [(rows[0].raw, message_of(answer))]
        half = len(rows) // 2
        return [*await self._send(rows[:half], progress), *await self._send(rows[half:], progress)]

    def _taken(self, rows: list[Numbered], answer: Any, progress: Progress) -> list[tuple[Row, str]]:
        said = answer if isinstance(answer, dict) else {}
        if self._kind == "contacts":
            progress.jobs.append((said["requestId"], rows[0].number, rows[-1].number))
            return []
        progress.queued += len(rows) if said.get("queued") else 0
        failed = said.get("failedOrders") or []
        by_id: dict[str, Row] = {str(row.raw.get("externalOrderId")): row.raw for row in rows}
        listed: list[Row] = failed if isinstance(failed, list) else [failed]
        return [(by_id.get(str(one.get("externalOrderId"))) or one, message_of(one)) for one in listed]

    def _begun(self) -> Progress:
        size = self._path.stat().st_size
        if not self._progress_file.exists():
            self.failed_file.unlink(missing_ok=True)
            progress = Progress(size)
            self._keep(progress, ())
            return progress
        progress = Progress(**orjson.loads(self._progress_file.read_bytes()))
        if progress.size != size:
            raise GatewayError(f"{self._path} has changed since; remove {self._progress_file} to begin anew")
        if self.failed_file.exists():
            os.truncate(self.failed_file, progress.failed_bytes)
        return progress

    def _keep(self, progress: Progress, bad: Iterable[tuple[Row, str]]) -> None:
        """Write the failed rows and how far it has got, in this order: a crash between loses none."""
        rows = list(bad)
        if rows:
            progress.failed += len(rows)
            progress.failed_bytes = self._write_failed(rows)
        fresh = self._progress_file.with_name(self._progress_file.name + ".new")
        fresh.write_bytes(orjson.dumps(asdict(progress)))
        fresh.replace(self._progress_file)
        self._tell(progress.done, progress.failed)

    def _write_failed(self, rows: list[tuple[Row, str]]) -> int:
        begins = not self.failed_file.exists() or not self.failed_file.stat().st_size
        with self.failed_file.open("a", encoding="utf-8", newline="") as file:
            if self.failed_file.suffix == ".csv":
                writer = csv.DictWriter(file, self._header(), extrasaction="ignore", lineterminator="\n")
                if begins:
                    writer.writeheader()
                writer.writerows({**columns(row), REASON: reason} for row, reason in rows)
            else:
                file.writelines(orjson.dumps({**row, REASON: reason}).decode() + "\n" for row, reason in rows)
            file.flush()
            return file.tell()

    def _header(self) -> list[str]:
        """Return the columns of the file itself, and the reason behind them."""
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            own = next(csv.reader(file), list(COLUMNS))
        return [*(name for name in own if name != REASON), REASON]


def _batches(rows: Iterator[Numbered], done: int, most: int) -> Iterator[list[Numbered]]:
    """Yield what goes into one call each: `most` rows, fewer where they are large."""
    batch: list[Numbered] = []
    size = 0
    for row in islice(rows, done, None):
        length = len(orjson.dumps(row.row or row.raw))
        if len(batch) == most or (batch and size + length > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += length
    if batch:
        yield batch

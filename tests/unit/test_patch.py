from typing import Any

import orjson
import pytest

from gateway.console.patch import JSON_PATCH, MERGE_PATCH, BadPatch, patched
from gateway.event import Record


def record(body: bytes) -> Record:
    return Record(
        id="e-1",
        site="shop",
        type="PageView",
        lane="shop/e-1",
        cookie=None,
        customer=None,
        email=None,
        phone=None,
        occurred_at=1,
        accepted_at=1,
        body=body,
    )


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


@pytest.mark.parametrize("depth", [300, 1000])
@pytest.mark.parametrize(
    ("patch", "kind"), [([{"op": "add", "path": "/b", "value": 1}], JSON_PATCH), ({"b": 1}, MERGE_PATCH)]
)
def test_an_event_or_a_patch_of_any_depth_is_at_worst_a_bad_patch(depth: int, patch: Any, kind: str) -> None:
    with pytest.raises(BadPatch, match="deeply"):
        patched(record(nested(depth)), patch, kind)
    with pytest.raises(BadPatch, match="deeply"):
        patched(record(b"{}"), orjson.loads(nested(depth)), MERGE_PATCH)

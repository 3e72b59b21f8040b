"""Changes to a dead letter's event: a JSON Patch (RFC 6902) or a JSON Merge Patch (RFC 7396). Pure."""

from dataclasses import replace
from typing import Any

import jsonpatch
import jsonpointer
import orjson

from gateway.event import Record

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"


class BadPatch(ValueError):
    """The patch is none, or does not fit; its text holds nothing of the event."""


def patched(record: Record, patch: Any, content_type: str) -> Record:
    """Return the record with its body changed; raises BadPatch."""
    try:
        changed = _changed(orjson.loads(record.body), patch, content_type)
        if not isinstance(changed, dict):
            raise BadPatch("the event would no longer be an object")
        return replace(record, body=orjson.dumps(changed))
    except (RecursionError, orjson.JSONEncodeError):
        raise BadPatch("the event is nested too deeply to be changed, or would be") from None


def _changed(body: Any, patch: Any, content_type: str) -> Any:
    if content_type == JSON_PATCH:
        return _json_patched(body, patch)
    if isinstance(patch, dict):
        return _merged(body, patch)
    raise BadPatch("a merge patch is an object")


def _json_patched(body: Any, patch: Any) -> Any:
    try:
        return jsonpatch.JsonPatch(patch).apply(body)
    except jsonpatch.JsonPatchTestFailed:
        raise BadPatch("a test of the patch fails") from None
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError):
        raise BadPatch("this is no JSON Patch (RFC 6902), or its paths are not in the event") from None


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged

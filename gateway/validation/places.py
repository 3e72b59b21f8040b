"""Where in the posted event stands what was found in its REST form: authors look in their own text."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.validation.finding import Finding
from gateway.validation.forms import ALIASES, BESIDE, IDENTITY, INNER, RENAMED, is_unknown


def placed_as_posted(finding: Finding, name: str, posted: Mapping[str, Any]) -> Finding:
    """Return the finding with its pointer into `posted`, an event of that name in any of its forms."""
    first, *path = finding.pointer.split("/")[1:] or [""]
    if first == name:
        place = _in_block(path, name, posted)
    elif first == "GeneralInfo" and _was_lifted(path, posted):
        place = ["CustomerData", *path]
    else:
        return finding
    return replace(finding, pointer="".join(f"/{part}" for part in place))


def _was_lifted(path: list[str], posted: Mapping[str, Any]) -> bool:
    if not path or path[0] not in IDENTITY:
        return False
    return _says(posted.get("CustomerData"), path[0]) and not _says(posted.get("GeneralInfo"), path[0])


def _in_block(path: list[str], name: str, posted: Mapping[str, Any]) -> list[str]:
    aliases = [alias for alias, tagged in ALIASES.items() if tagged == name and alias in posted]
    key = name if name in posted or not aliases else aliases[0]
    block = posted.get(key)
    member = path[0] if path else ""
    if member in BESIDE.get(name, ()) and member in posted and not _says(block, member):
        return path
    listed = member == "Products" and isinstance(block, list)
    nested = member == INNER.get(name) and not _says(block, member)
    within = path[1:] if listed or nested else path
    return [key, *_with_posted_name(within, name, block)]


def _with_posted_name(path: list[str], name: str, block: object) -> list[str]:
    """Return the path with the name by which a product's own member stood in the block."""
    if not path:
        return path
    product = _at(path[:-1], block)
    for alias, documented in RENAMED.get(name, {}).items():
        if documented == path[-1] and not _says(product, documented) and _says(product, alias):
            return [*path[:-1], alias]
    return path


def _at(path: list[str], value: Any) -> object:
    for part in path:
        if isinstance(value, list):
            value = value[int(part)]
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def _says(holder: object, member: str) -> bool:
    return isinstance(holder, dict) and not is_unknown(holder.get(member))

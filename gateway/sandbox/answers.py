"""How eSputnik words what it answers: plain sentences, Spring's errors, JSON that once was XML."""

from typing import Any

from aiohttp import web


def refusal(status: int, error: str, path: str) -> web.Response:
    """Return an error as eSputnik's Spring application words it: {status, error, path}."""
    return web.json_response({"status": status, "error": error, "path": path}, status=status)


def sentence(text: str, status: int = 200) -> web.Response:
    """Return a plain sentence, which many of eSputnik's answers are, good and bad ones alike."""
    return web.Response(text=text, status=status)


def bad(text: str) -> web.Response:
    """Return a 400 that says in a sentence what is wrong."""
    return sentence(text, 400)


def told(value: Any, headers: dict[str, str] | None = None) -> web.Response:
    """Return JSON as eSputnik writes it; see `as_esputnik`."""
    return web.json_response(as_esputnik(value), headers=headers)


def as_esputnik(value: Any) -> Any:
    """Return JSON as eSputnik writes it: a list of one is its bare element, numbers and booleans are text.

    Both are told by the FAQ's samples (docs page 29549050932) and by what official clients repair.
    """
    if isinstance(value, dict):
        return {name: as_esputnik(held) for name, held in value.items()}
    if isinstance(value, list):
        return as_esputnik(value[0]) if len(value) == 1 else [as_esputnik(held) for held in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value

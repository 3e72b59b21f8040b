"""Logs: structured, one line for each thing that an operator should know; never one per event.

error: data is lost or somebody must act. warning: the gateway copes, for now. info: what the process does.
Keys, emails, phones, names and ids of people never stand in a line.
"""

import logging
import sys
from typing import Literal

import structlog
from aiohttp.http import HttpProcessingError

from gateway.config import Logs

_NOISY = ("aiokafka", "kafka")
"""aiokafka tells of every reconnect at error level; what matters of it is told by us."""


def set_up(settings: Logs) -> None:
    """Send structlog and the standard library's logging to stderr, in one form."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, _renderer(settings.format)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=_renderer(settings.format),
            foreign_pre_chain=[*shared, structlog.processors.format_exc_info],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("aiohttp.server").addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    """Tell whether something went wrong here: of what is no HTTP aiohttp would log the lines as they came."""
    problem = record.exc_info[1] if record.exc_info else None
    return not isinstance(problem, HttpProcessingError)


def _renderer(form: Literal["auto", "json", "console"]) -> structlog.typing.Processor:
    if form == "console" or (form == "auto" and sys.stderr.isatty()):
        return structlog.dev.ConsoleRenderer()
    return structlog.processors.JSONRenderer()

"""Where a shop's worker may stand, and for the pages of which paths it is. Pure."""

import re

DEFAULT_PATH = "/sw-yespo.js"
"""Where the worker stands unless somebody says otherwise, as in Yespo-CDP/yespo-opencart."""

_NAMES = (
    "sw-yespo.js",
    "sw-esputnik.js",
    "push-yespo-sw.js",
    "sw.js",
    "service-worker.js",
    "serviceworker.js",
    "ngsw-worker.js",
    "OneSignalSDKWorker.js",
    "OneSignalSDKUpdaterWorker.js",
    "firebase-messaging-sw.js",
    "sp-push-worker-fb.js",
    "sp-push-worker.js",
    "push-worker.js",
    "webpushr-sw.js",
)
_NESTED = ("/push/onesignal/OneSignalSDKWorker.js",)
_PATH_CHARACTERS = re.compile(r"[A-Za-z0-9._~/-]*")


def checked_path(path: str) -> str:
    """Return a worker's path; raises ValueError with what to do where it cannot be one."""
    _refuse_no_path(path)
    if path.endswith("/"):
        raise ValueError(f"is a folder: name the file in it, such as {path}sw-yespo.js")
    if not path.endswith(".js"):
        raise ValueError(
            f"must end in .js, such as {DEFAULT_PATH}: browsers take a worker as JavaScript only"
        )
    return path


def checked_scope(scope: str) -> str:
    """Return a scope; raises ValueError with what to do where it cannot be one."""
    _refuse_no_path(scope)
    if not scope.endswith("/"):
        raise ValueError(f"must end in /, as in {scope}/: without it, it takes in every path that begins so")
    return scope


def _refuse_no_path(path: str) -> None:
    if "://" in path or path.startswith("//"):
        raise ValueError(
            "is a whole address: give its path alone, for a worker must come from the shop's host"
        )
    if "\\" in path:
        raise ValueError("holds a backslash: write / between folders")
    if {".", ".."} & set(path.split("/")):
        raise ValueError(
            "holds . or .. as a folder and may lead out of the shop's root: write it out in full"
        )
    if not path.startswith("/"):
        raise ValueError(f"must start with /, as in /{path}: it is told from the shop's root")
    if "?" in path or "#" in path:
        raise ValueError("has a query or a fragment: end it with the file's name")
    if not _PATH_CHARACTERS.fullmatch(path) or "//" in path:
        raise ValueError("may hold letters, digits, . _ ~ - and single slashes only: rename the file")


def folder(path: str) -> str:
    """Return the folder of a file, which is a worker's scope where nobody says otherwise."""
    return path.rpartition("/")[0] + "/"


def needs_header(path: str, scope: str) -> bool:
    """Return whether browsers want Service-Worker-Allowed with the worker: its scope is above its folder."""
    return not scope.startswith(folder(path))


def candidates(path: str) -> list[str]:
    """Return the paths where workers of eSputnik's or of others may stand: at the root, and beside `path`."""
    beside = [base + name for base in ("/", folder(path)) for name in _NAMES]
    return list(dict.fromkeys([path, *beside, *_NESTED]))

"""What stands at a shop's address, and how two workers go together."""

import time

import pytest

from gateway.setup.place import candidates, checked_path, checked_scope, needs_header
from gateway.setup.worker import (
    FILE_CHARACTERS,
    Registration,
    Seen,
    Worker,
    in_the_way,
    merging,
    registrations,
    worker_in,
    worker_of,
)

ESPUTNIK = "https://push-notifications.yespo.io/service-worker.js"
LINE = f"importScripts('{ESPUTNIK}');"
ONESIGNAL = 'importScripts("https://cdn.onesignal.com/sdks/web/v16/OneSignalSDK.sw.js");\n'
OURS = ["/sites/shop/sw.js"]


def seen(text: str, status: int = 200, content_type: str = "text/javascript") -> Seen:
    return Seen("/sw.js", "/", status, content_type, text, True)


def worker(path: str, text: str = "self.onpush = show;", scope: str = "/") -> Worker:
    return worker_of(path, scope, text, OURS)


@pytest.mark.parametrize(
    "answer",
    [
        seen("Not found", 404, "text/plain"),
        seen("<!doctype html><title>Shop</title>", content_type="text/html; charset=utf-8"),
        seen("self.onpush = show;", content_type="text/plain"),
        seen("\n<!DOCTYPE html>", content_type="application/javascript"),
        seen(" \n"),
        seen("self.onpush = show;", 301),
    ],
)
def test_what_no_browser_takes_for_a_worker_is_none(answer: Seen):
    assert worker_in(answer, OURS) is None


@pytest.mark.parametrize(
    ("text", "provider"),
    [
        (ONESIGNAL, "OneSignal"),
        ("importScripts('https://www.gstatic.com/firebasejs/10.0.0/firebase-app.js')", "Firebase"),
        ("importScripts('https://shop.pushengage.com/service-worker.js?ver=2.3.0');", "PushEngage"),
        ("importScripts('https://web.webpushs.com/sp-push-worker-fb.js?ver=2.0');", "SendPulse"),
        ('self["hostUrl"] = "https://cdn.gravitec.net/sw";', "Gravitec"),
        ("importScripts('https://cdn.webpushr.com/sw-server.min.js');", "Webpushr"),
        ("workbox.core.clientsClaim();", "Workbox"),
        ("self.addEventListener('push', show);", "own"),
        ("// was esputnik.com once\nself.addEventListener('push', show);", "own"),
    ],
)
def test_anothers_worker_is_told_by_its_name(text: str, provider: str):
    found = worker_in(seen(text, content_type="application/javascript; charset=utf-8"), OURS)
    assert found is not None
    assert provider in found.provider
    assert not found.takes_ours


@pytest.mark.parametrize(
    ("text", "is_merged"),
    [
        (LINE, False),
        (f"/* eSputnik */ self.importScripts( '{ESPUTNIK}' )\n", False),
        ("importScripts('https://gateway.example/sites/shop/sw.js');", False),
        (f"{LINE}\n{ONESIGNAL}", True),
        ("fetch('https://push.yespo.tech/key')", True),
    ],
)
def test_a_worker_that_takes_esputniks_pushes_is_no_others(text: str, is_merged: bool):
    found = worker("/sw-yespo.js", text)
    assert (found.takes_ours, found.is_merged) == (True, is_merged)
    assert in_the_way([found], "/sw-yespo.js", "/") == []


@pytest.mark.parametrize(
    ("other", "path", "scope", "is_in_the_way"),
    [
        (worker("/sw.js"), "/sw-yespo.js", "/", True),
        (worker("/sw.js"), "/push/sw-yespo.js", "/push/", True),
        (worker("/blog/sw.js", scope="/blog/"), "/sw-yespo.js", "/", False),
        (worker("/sw-yespo.js", scope="/elsewhere/"), "/sw-yespo.js", "/", True),
        (worker("/old.js", LINE), "/sw-yespo.js", "/", False),
        (worker("/sw.js", f"{LINE}\n{ONESIGNAL}"), "/sw-yespo.js", "/", True),
    ],
)
def test_a_worker_is_in_the_way_where_another_would_replace_it(
    other: Worker, path: str, scope: str, is_in_the_way: bool
):
    assert bool(in_the_way([other], path, scope)) == is_in_the_way


def test_of_workers_that_all_take_esputniks_pushes_any_may_be_set_up():
    merged = [worker(path, f"{LINE}\n{ONESIGNAL}") for path in ("/OneSignalSDKWorker.js", "/updater.js")]
    assert in_the_way(merged, "/OneSignalSDKWorker.js", "/") == []


def test_the_merged_file_is_the_others_with_one_line_at_its_top():
    advice = merging(worker("/OneSignalSDKWorker.js", ONESIGNAL), ESPUTNIK)
    assert advice.merged == f"{LINE}\n{ONESIGNAL}"
    assert advice.steps == [f"put this line at the top of /OneSignalSDKWorker.js: {LINE}"]
    assert merging(worker("/sw.js", advice.merged), ESPUTNIK).merged == ""


def test_a_large_worker_is_imported_beside_esputniks():
    advice = merging(worker("/sw.js", "a();" * 10_000), ESPUTNIK)
    assert advice.merged == f"{LINE}\nimportScripts('/sw.own.js');\n"
    assert "/sw.own.js" in advice.steps[1]


def test_of_a_module_it_is_told_that_it_cannot_import_so():
    advice = merging(worker("/sw.js", "import { a } from './a.js';\na();"), ESPUTNIK)
    assert advice.merged == ""
    assert "is a module" in advice.steps[0]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/../sw.js", "out of the shop's root"),
        ("../sw.js", "out of the shop's root"),
        ("/a/./sw.js", "out of the shop's root"),
        ("/a\\sw.js", "a backslash"),
        ("https://shop.example/sw.js", "a whole address"),
        ("//other.example/sw.js", "a whole address"),
        ("sw.js", "must start with /, as in /sw.js"),
        ("", "must start with /"),
        ("/push/", "is a folder: name the file in it, such as /push/sw-yespo.js"),
        ("/sw", "must end in .js"),
        ("/sw.js?v=2", "has a query"),
        ("/sw.js#a", "has a query or a fragment"),
        ("/%2e%2e/sw.js", "letters, digits"),
        ("/a//sw.js", "single slashes"),
        ("/сервіс.js", "letters, digits"),
    ],
)
def test_a_path_that_is_no_workers_is_refused_in_one_sentence(path: str, sentence: str):
    with pytest.raises(ValueError, match=sentence.replace("?", r"\?")) as refused:
        checked_path(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("scope", ["shop/", "/shop", "https://shop.example/", "/../", "/a?b/"])
def test_a_scope_that_is_none_is_refused(scope: str):
    with pytest.raises(ValueError, match=r"must|whole address|root|query"):
        checked_scope(scope)


def test_a_scope_above_the_workers_folder_needs_the_header():
    assert checked_path("/push/sw-yespo.js") == "/push/sw-yespo.js"
    assert needs_header("/push/sw-yespo.js", checked_scope("/"))
    assert not needs_header("/push/sw-yespo.js", "/push/")
    assert not needs_header("/sw-yespo.js", "/")


def test_a_page_tells_which_workers_it_registers_and_for_which_scope():
    page = """<script>
        navigator.serviceWorker.register('/sw.js?v=3').then(go);
        navigator.serviceWorker
            .register("push/worker.js", { updateViaCache: 'none', scope: "/push/" });
        navigator.serviceWorker.register('https://elsewhere.example/sw.js');
        navigator.serviceWorker.register(name);
        navigator.serviceWorker.register('http://[');
    </script>"""
    assert registrations(page, "https://shop.example/ua/") == [
        Registration("/sw.js?v=3", "/"),
        Registration("/ua/push/worker.js", "/push/"),
    ]


def test_workers_are_looked_for_at_the_root_and_beside_ours():
    found = candidates("/push/sw-yespo.js")
    assert found[0] == "/push/sw-yespo.js"
    assert {"/OneSignalSDKWorker.js", "/push/sw.js", "/sw-yespo.js"} <= set(found)
    assert len(found) == len(set(found)) < 40


@pytest.mark.parametrize("piece", ["/*", "`", "'\\", "importScripts(", "a//", "serviceWorker.register('"])
def test_a_hostile_file_takes_no_longer_to_read_than_any_other(piece: str):
    text = (piece * FILE_CHARACTERS)[:FILE_CHARACTERS]
    began = time.process_time()
    worker_in(seen(text), OURS)
    registrations(text, "https://shop.example/")
    assert time.process_time() - began < 2

"""Set-up of a web site in the stand-in, as the official plugins do it."""

from typing import Any

import pytest

from tests.sandbox.conftest import Account

DOMAIN = "/api/v1/site/domains"
WORKER = {
    "domain": "https://shop.ua",
    "serviceWorkerName": "service-worker.js",
    "serviceWorkerPath": "/apps/yespo-proxy/",
    "serviceWorkerScope": "/apps/yespo-proxy/",
}


async def text(account: Account, path: str) -> str:
    async with account.http.get(
        account.url + path, headers={"Authorization": "Bearer sandbox-key"}
    ) as answer:
        assert answer.status == 200
        return await answer.text()


@pytest.mark.parametrize("domain", ["shop.ua", "https://shop.ua/", "SHOP.ua"])
async def test_a_domain_gets_a_site_id_once(account: Account, domain):
    """Shopify's plugin sends a bare host, WooCommerce's an address, and knows "Domain already exists"."""
    status, answer = await account.call("POST", DOMAIN, {"domain": domain})
    assert (status, answer["domain"]) == (200, "shop.ua")
    assert answer["siteId"]
    again = await account.call("POST", "/v1/site/domains/", {"domain": "shop.ua"})
    assert again == (400, "Domain already exists")


async def test_a_domain_that_cannot_be_reached_is_refused_in_words(account: Account):
    """Yespo-CDP/yespo-shopify: "Domain can't be reached"."""
    assert await account.call("POST", DOMAIN, {"domain": "shop.invalid"}) == (400, "Domain can't be reached")
    assert (await account.call("POST", DOMAIN, {}))[0] == 400


async def test_the_script_is_html_whose_loader_sends_page_view_by_itself(account: Account):
    """JSDOC: loader scripts/<id>.js, eS('init', {TRACKING, RECOMS}); PageView is automatic."""
    assert (await account.call("GET", "/v1/site/script"))[0] == 404
    _, made = await account.call("POST", DOMAIN, {"domain": "shop.ua"})
    script = await text(account, "/api/v1/site/script")
    loader = f"/scripts/{made['siteId']}.js"
    assert script.startswith("<script>")
    assert f'"{account.url}{loader}"' in script
    assert "eS('init', {TRACKING: true, RECOMS: true})" in script
    source = await text(account, loader)
    assert f'siteId: "{made["siteId"]}"' in source
    assert 'send("PageView")' in source
    assert (await account.call("GET", "/scripts/other.js"))[0] == 404


@pytest.mark.parametrize(("path", "wraps"), [("domain", False), ("domains", True)])
async def test_web_push_is_registered_by_either_path(account: Account, path, wraps):
    """Shopify and OpenCart post to webpush/domain, WooCommerce to domains; success {domain, status}."""
    body: Any = {"domains": [WORKER]} if wraps else WORKER
    status, answer = await account.call("POST", f"/v1/site/webpush/{path}", body)
    assert (status, answer) == (200, {"success": {"domain": "https://shop.ua", "status": "ok"}})
    again = body | {"again": True}
    status, answer = await account.call("POST", f"/v1/site/webpush/{path}", again)
    assert (status, answer["errors"]["message"]) == (200, "Domain is already registered")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"domain": "shop.ua"}, "Domain must have its scheme"),
        ({"domain": "https://shop.invalid"}, "Domain can't be reached"),
        ({"serviceWorkerPath": "/apps/yespo-proxy"}, "serviceWorkerPath must start and end with a slash"),
        ({"serviceWorkerName": ""}, "serviceWorkerName is required"),
    ],
)
async def test_a_refused_web_push_domain_is_a_200_with_errors(account: Account, change, message):
    """Yespo-CDP/yespo-shopify: may answer 200 with {errors: {domain, message}}; the path has both slashes."""
    status, answer = await account.call("POST", "/v1/site/webpush/domain", WORKER | change)
    assert (status, answer["errors"]["message"]) == (200, message)
    assert (await account.call("GET", "/v1/site/webpush/script?domain=https://shop.ua"))[0] == 404


async def test_of_several_domains_each_has_its_own_result(account: Account):
    domains = [WORKER, WORKER | {"domain": "shop.ua"}, WORKER | {"domain": "https://b.ua"}]
    _, answer = await account.call("POST", "/v1/site/webpush/domains", {"domains": domains})
    assert [one["domain"] for one in answer["success"]] == ["https://shop.ua", "https://b.ua"]
    assert answer["errors"]["domain"] == "shop.ua"
    assert (await account.call("POST", "/v1/site/webpush/domains", {"domains": []}))[0] == 400


async def test_the_worker_is_one_line_that_imports_the_providers(account: Account):
    """Yespo-CDP/yespo-shopify: {script, serviceWorker}; OpenCart's file is one importScripts line."""
    await account.call("POST", "/v1/site/webpush/domain", WORKER)
    _, answer = await account.call("GET", "/api/v1/site/webpush/script?domain=https://shop.ua")
    assert answer["serviceWorker"] == f"importScripts('{account.url}/webpush/service-worker.js');"
    assert (
        "register('/apps/yespo-proxy/service-worker.js', {scope: '/apps/yespo-proxy/'})" in answer["script"]
    )
    assert 'addEventListener("push"' in await text(account, "/webpush/service-worker.js")

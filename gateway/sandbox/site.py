"""Set-up of a web site: domains, the tracking script, web push.

What is known comes from the official plugins (Yespo-CDP/yespo-shopify, yespo-woocommerce, yespo-opencart);
the text of the reference pages was not to be found. Hosts under `.invalid` cannot be reached, as their name
promises. Scripts and workers lead to the stand-in itself, where eSputnik's lead to cdn.esputnik.com and
push-notifications.yespo.io: a page under test loads them without leaving the machine.
"""

import secrets
from importlib.resources import files
from urllib.parse import urlsplit

from aiohttp import web

from gateway.sandbox.answers import bad, sentence, told
from gateway.sandbox.gate import STATE, State
from gateway.sandbox.identity import Body, text
from gateway.sandbox.journal import Request

_EXISTS = "Domain already exists"
_REGISTERED = "Domain is already registered"
_UNREACHABLE = "Domain can't be reached"

_LOADER = files("gateway.sandbox").joinpath("loader.js").read_text(encoding="utf-8")
_WORKER = files("gateway.sandbox").joinpath("worker.js").read_text(encoding="utf-8")


async def add_domain(state: State, request: Request) -> web.Response:
    """`POST /v1/site/domains`: register a domain, and return its siteId.

    Shopify's plugin sends a bare host, WooCommerce's a whole address, OpenCart's the server's name. One that
    exists is a 400 in words ("Domain already exists", WooCommerce), and its siteId is not told again.
    """
    call = request.body if isinstance(request.body, dict) else {}
    host = _host(text(call.get("domain")))
    if not host:
        return bad("domain is required")
    if host.endswith(".invalid"):
        return bad(_UNREACHABLE)
    if host in state.site.domains:
        return bad(_EXISTS)
    state.site.domains[host] = secrets.token_hex(16).upper()
    return told({"siteId": state.site.domains[host], "domain": host})


def _host(domain: str) -> str:
    try:
        parts = urlsplit(domain if "//" in domain else f"//{domain}")
        return (parts.hostname or "").lower()
    except ValueError:
        return ""


async def script(state: State, request: Request) -> web.Response:
    """`GET /v1/site/script`: the HTML that a page needs, as text; none before a domain is there.

    It loads `scripts/<id>.js` and calls `eS('init', {TRACKING, RECOMS})` (docs page 29300068963).
    """
    if not state.site.domains:
        return sentence("Script not found", 404)
    state.site.script_made = True
    site_id = next(reversed(state.site.domains.values()))
    return sentence(
        "<script>\n!function(t,e,c,n){var s=e.createElement(c);s.async=1,s.src="
        f'"{_own(request)}/scripts/{site_id}.js";'
        "var r=e.scripts[0];r.parentNode.insertBefore(s,r);"
        "t[n]=t[n]||function(){(t[n].q=t[n].q||[]).push(arguments)}}"
        '(window,document,"script","eS");\n'
        "eS('init', {TRACKING: true, RECOMS: true});\n</script>"
    )


def _own(request: Request) -> str:
    """Return the stand-in's own address, as the caller named it."""
    return f"http://{request.headers.get('Host', '')}"


async def add_push_domain(state: State, request: Request) -> web.Response:
    """`POST /v1/site/webpush/domain`: register one; a refusal of it is a 200 with `errors` all the same.

    The domain has its scheme, the worker's path starts and ends with a slash (Yespo-CDP/yespo-shopify).
    """
    done, problem = _register(state, request.body if isinstance(request.body, dict) else {})
    return told({"errors": problem} if problem else {"success": done})


async def add_push_domains(state: State, request: Request) -> web.Response:
    """`POST /v1/site/webpush/domains`: the same for a list, in newer Shopify's and WooCommerce's plugin."""
    domains = request.body.get("domains") if isinstance(request.body, dict) else None
    if not isinstance(domains, list) or not all(isinstance(one, dict) for one in domains) or not domains:
        return bad("domains must be a list of objects")
    results = [_register(state, one) for one in domains]
    errors = [problem for _, problem in results if problem]
    success = [done for done, problem in results if not problem]
    return told(({"errors": errors} if errors else {}) | ({"success": success} if success else {}))


def _register(state: State, call: Body) -> tuple[Body, Body]:
    """Return what is told of a success, and of a failure."""
    domain, path = text(call.get("domain")), text(call.get("serviceWorkerPath"))
    host = _host(domain)
    problem = ""
    if not domain.startswith(("https://", "http://")) or not host:
        problem = "Domain must have its scheme"
    elif not text(call.get("serviceWorkerName")):
        problem = "serviceWorkerName is required"
    elif not (path.startswith("/") and path.endswith("/")):
        problem = "serviceWorkerPath must start and end with a slash"
    elif host.endswith(".invalid"):
        problem = _UNREACHABLE
    elif host in state.site.push_domains:
        problem = _REGISTERED
    if problem:
        return {}, {"domain": domain, "message": problem}
    state.site.push_domains[host] = call
    return {"domain": domain, "status": "ok"}, {}


async def push_script(state: State, request: Request) -> web.Response:
    """`GET /v1/site/webpush/script?domain=https://host`: {script, serviceWorker}.

    The worker's file is one line that imports the provider's, as OpenCart's plugin has it.
    """
    call = state.site.push_domains.get(_host(text(request.query.get("domain"))))
    if call is None:
        return sentence("Domain not found", 404)
    path = f"{call['serviceWorkerPath']}{call['serviceWorkerName']}"
    scope = text(call.get("serviceWorkerScope")) or call["serviceWorkerPath"]
    registers = f"navigator.serviceWorker.register('{path}', {{scope: '{scope}'}})"
    return told(
        {
            "script": f"<script>\nif ('serviceWorker' in navigator) {registers};\n</script>",
            "serviceWorker": f"importScripts('{_own(request)}/webpush/service-worker.js');",
        }
    )


async def loader(http: web.Request) -> web.Response:
    """`GET /scripts/{id}.js`: what the tracking script loads: it sends PageView by itself."""
    if http.match_info["id"] not in http.app[STATE].site.domains.values():
        raise web.HTTPNotFound
    source = _LOADER.replace("SITE_ID", http.match_info["id"])
    return web.Response(text=source, content_type="text/javascript")


async def worker(_: web.Request) -> web.Response:
    """`GET /webpush/service-worker.js`: the worker that the shop's own file imports."""
    return web.Response(text=_WORKER, content_type="text/javascript")


FILES = [
    web.get("/scripts/{id}.js", loader),
    web.get("/webpush/service-worker.js", worker),
]
"""What browsers load, without a key."""

CALLS = [
    ("POST", "/v1/site/domains", add_domain),
    ("GET", "/v1/site/script", script),
    ("POST", "/v1/site/webpush/domain", add_push_domain),
    ("POST", "/v1/site/webpush/domains", add_push_domains),
    ("GET", "/v1/site/webpush/script", push_script),
]

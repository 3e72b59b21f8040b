"""What the account tells about itself: whose it is, its balance, its additional fields."""

from aiohttp import web

from gateway.sandbox.answers import told
from gateway.sandbox.gate import State
from gateway.sandbox.journal import Request


async def account_info(_: State, __: Request) -> web.Response:
    """`GET /v1/account/info`: whose key it is."""
    return web.json_response(
        {"userEmail": "owner@sandbox.example", "organisationName": "Sandbox", "orgId": 7}
    )


async def balance(_: State, __: Request) -> web.Response:
    """`GET /v1/balance`: what is left to send with."""
    return told({"currency": "UAH", "currentBalance": 1000, "bonusEmails": 0, "bonusSmses": 0})


async def version(_: State, __: Request) -> web.Response:
    """`GET /v1/version`: of the protocol."""
    return told({"version": "1.0", "protocolVersion": "v1"})


async def addressbooks(_: State, __: Request) -> web.Response:
    """`GET /v1/addressbooks`: additional fields with their ids.

    Numbers and booleans are text and a group that stands alone is bare, as in the FAQ's sample (docs page
    29549050932): `"required":"false"`, `fieldGroups` an object.
    """
    fields = [
        {"id": 12345, "name": "Loyalty level", "fieldKey": "loyaltyLevel", "type": "text", "required": False},
        {"id": 12346, "name": "Birthday", "fieldKey": "birthday", "type": "date", "required": False},
    ]
    personal = {"name": "Personal", "fields": fields}
    return told({"addressBook": {"addressBookId": 1, "name": "Contacts", "fieldGroups": [personal]}})


CALLS = [
    ("GET", "/v1/account/info", account_info),
    ("GET", "/v1/balance", balance),
    ("GET", "/v1/version", version),
    ("GET", "/v1/addressbooks", addressbooks),
]

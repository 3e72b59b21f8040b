"""The sentences: why an event is refused, and what was mended in it.

They name the rule and the value's type, and may show numbers, booleans and names that our schemas hold. Text
that came with the event is never in them: it may be somebody's name, or worse.
"""

from collections.abc import Mapping
from typing import Any

from jsonschema_rs import ValidationError

from gateway.validation.finding import Finding

WARNINGS: Mapping[str, str] = {
    "channel_without_value": "a channel without a value was left out",
    "contact_fields_missing": "without contactFields every field is overwritten, missing ones emptied",
    "datetime_converted": "the time was brought to whole epoch milliseconds",
    "datetime_filled": "the time is missing; the time of arrival was taken",
    "datetime_in_future": "the time is more than five minutes ahead; it was set to five minutes ahead",
    "datetime_replaced": "the time cannot be read, or is before 2000; the time of arrival was taken",
    "email_unreadable": "this is no email address; it was left as it is and identifies nobody",
    "event_name_filled": "the event's name is missing; it was taken from its block",
    "event_name_replaced": "the event is named NotFound",
    "false_dropped": "false says that nothing is known; the member was left out",
    "date_reformatted": "the date was written in ISO 8601",
    "flag_converted": "a yes or no was written as 1 or 0",
    "guid_not_uuid": "the GUID is not 128 bits in hexadecimal digits",
    "id_ignored": "the id is not text or a whole number of 1 to 200 characters; repeats will not be known",
    "identifier_blocked": "this value stands for nobody; it was left as it is and identifies nobody",
    "identifier_dropped": "this value stands for nobody; it was left out",
    "identifier_too_long": "more than 300 characters; it was left as it is and identifies nobody",
    "identifier_unprintable": "characters that cannot be seen; it was left as it is and identifies nobody",
    "identity_differs": "GeneralInfo says otherwise and counts; the block's value was left out",
    "lowercased": "an email is written in lower case",
    "name_dropped": "the name breaks eSputnik's rules for names; it was left out",
    "number_to_text": "a number was written as text",
    "phone_reformatted": "the phone number was written in E.164",
    "phone_unreadable": "this is no phone number; it was left as it is and identifies nobody",
    "price_reformatted": "the price was written with a point and a currency code",
    "price_unreadable": "this does not look like a price; it was left as it is",
    "sent_at_ignored": "the time cannot be read; the event's time was not corrected by it",
    "site_id_filled": "the siteId is missing; it was taken from the key",
    "source_replaced": "a source other than online or offline was written as online",
    "status_unknown": "no status of eSputnik's is mapped to this one; INITIALIZED was written",
    "tag_reformatted": "a tag is a list of texts; what could not be written so was left out",
    "text_to_number": "text was written as a number",
    "trimmed": "blanks around the text were cut off",
    "unicode_normalised": "the text was brought to Unicode's composed form (NFC)",
}
"""Every warning, by its code."""

_SINGULAR = {
    "array": "an array",
    "boolean": "a boolean",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "text",
}


def warning(place: str, code: str) -> Finding:
    """Return the finding for a repair, or for what was taken though it could not be mended."""
    return Finding(place, code, WARNINGS[code])


def violation(error: ValidationError, place: str) -> Finding:
    """Return the finding for a broken rule of the schema; its code is the JSON Schema keyword."""
    keyword = error.kind.name
    sentence = _SENTENCES.get(keyword, _other)
    return Finding(place, _snake(keyword), sentence(error.instance, error.kind.as_dict()))


def too_many(place: str, count: int, most: int) -> Finding:
    """Return the finding for a list with more elements than may be."""
    return Finding(place, "max_items", f"{count} elements are more than the maximum of {most}")


def wrong_type(place: str, value: object, belongs: str) -> Finding:
    """Return the finding for a value of one type where another belongs, told apart before any schema."""
    return Finding(place, "type", f"{type_name(value)} where {_SINGULAR[belongs]} belongs")


def missing(place: str, member: str) -> Finding:
    """Return the finding for a member of ours that is not there."""
    return Finding(place, "required", _required(None, {"property": member}))


def unknown_event(nearest: str) -> Finding:
    """Return the finding for a name that no event has."""
    message = f'no event has this name; the nearest known name is "{nearest}"'
    return Finding("/GeneralInfo/eventName", "unknown_event", message)


WRONG_SITE = Finding("/GeneralInfo/siteId", "wrong_site", "the key belongs to another site than this siteId")
TOO_DEEP = Finding("", "too_deep", "nested deeper than 250 levels")


def type_name(value: object) -> str:
    """Return the JSON type of a value as people say it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "text" if value.strip() else "empty text"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"


def _required(value: Any, rule: Mapping[str, Any]) -> str:
    return f'a required member "{rule["property"]}" is missing'


def _type(value: Any, rule: Mapping[str, Any]) -> str:
    belongs = " or ".join(_SINGULAR[name] for name in rule["types"])
    return f"{type_name(value)} where {belongs} belongs"


def _minimum(value: Any, rule: Mapping[str, Any]) -> str:
    return f"{value} is less than the minimum of {rule['limit']}"


def _over(value: Any, rule: Mapping[str, Any]) -> str:
    unit = "characters" if isinstance(value, str) else "elements"
    return f"{len(value)} {unit} are more than the maximum of {rule['limit']}"


def _under(value: Any, rule: Mapping[str, Any]) -> str:
    return f"{len(value)} elements are less than the minimum of {rule['limit']}"


def _pattern(value: Any, rule: Mapping[str, Any]) -> str:
    return f"text that does not match {rule['pattern']}"


def _enum(value: Any, rule: Mapping[str, Any]) -> str:
    options = ", ".join(str(option) for option in rule["options"])
    shown = value if isinstance(value, int | float) else type_name(value)
    return f"{shown} is none of {options}"


def _any_of(value: Any, rule: Mapping[str, Any]) -> str:
    names = [_lacking(error) for branch in rule["context"] for error in branch]
    return f"one of {', '.join(names)} is required, and not empty"


def _lacking(error: ValidationError) -> str:
    """Return the member that a branch asks for: one that is missing, else one that is too short."""
    member = error.kind.as_dict().get("property") or error.instance_path[-1]
    return f'"{member}"'


def _other(value: Any, rule: Mapping[str, Any]) -> str:
    return f"{type_name(value)} that the schema does not allow here"


_SENTENCES = {
    "required": _required,
    "type": _type,
    "minimum": _minimum,
    "maxItems": _over,
    "maxLength": _over,
    "minItems": _under,
    "pattern": _pattern,
    "enum": _enum,
    "anyOf": _any_of,
}


def _snake(keyword: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in keyword)

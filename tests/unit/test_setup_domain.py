"""What a person types as the shop's domain."""

import pytest

from gateway.setup.domain import Domain, domain_of

LONG = "a" * 64

TAKEN = [
    ("shop.example", "shop.example", "https://shop.example"),
    (" Shop.Example ", "shop.example", "https://shop.example"),
    ("https://shop.example", "shop.example", "https://shop.example"),
    ("https://shop.example/", "shop.example", "https://shop.example"),
    ("shop.example.", "shop.example", "https://shop.example"),
    ("http://www.shop-1.com.ua", "www.shop-1.com.ua", "http://www.shop-1.com.ua"),
    ("xn--80aqejfp0c4d.xn--j1amh", "xn--80aqejfp0c4d.xn--j1amh", "https://xn--80aqejfp0c4d.xn--j1amh"),
    ("localhost", "localhost", "http://localhost"),
    ("localhost:8000", "localhost:8000", "http://localhost:8000"),
    ("http://localhost:8000/", "localhost:8000", "http://localhost:8000"),
]

REFUSED = [
    ("", "name the shop's domain, as in shop.example"),
    ("https://", "name the shop's domain, as in shop.example"),
    ("https://shop.example/uk", "leave out the path: eSputnik registers whole domains, as in shop.example"),
    ("shop.example/?a=b", "leave out what stands behind the name from ? or # on, as in shop.example"),
    ("shop.example#top", "leave out what stands behind the name from ? or # on, as in shop.example"),
    ("me:secret@shop.example", "leave out what stands before the @: a domain has no user and no password"),
    (
        "крамниця.укр",
        "write xn--80aqejfp0c4d.xn--j1amh: browsers and eSputnik know the domain by that form",
    ),
    ("192.0.2.7", "give the shop's name instead of an IP address, as in shop.example"),
    ("http://[2001:db8::1]/", "give the shop's name instead of an IP address, as in shop.example"),
    ("2001:db8::1", "give the shop's name instead of an IP address, as in shop.example"),
    ("0x7f.1", "give the shop's name instead of an IP address, as in shop.example"),
    ("shop", "give the whole name with its dot, as in shop.example; only localhost has none"),
    (
        "shop.example:8443",
        "leave out the port: eSputnik registers a bare name; only localhost may have one",
    ),
    ("shop.example:http", "this is no address; write the name alone, as in shop.example"),
    ("localhost:99999", "this is no address; write the name alone, as in shop.example"),
    ("http://[shop", "this is no address; write the name alone, as in shop.example"),
    ("ftp://shop.example", "write the name alone or with https:// before it, as in https://shop.example"),
    *(
        (name, "use letters, digits and single dots, with hyphens only in between, as in shop.example")
        for name in ("*.shop.example", "shop..example", "-shop.example", "my_shop.example", f"{LONG}.example")
    ),
    (
        "shop example.com",
        "use letters, digits and single dots, with hyphens only in between, as in shop.example",
    ),
]


@pytest.mark.parametrize(("text", "host", "origin"), TAKEN)
def test_a_domain_is_taken_as_people_write_it(text: str, host: str, origin: str) -> None:
    assert domain_of(text) == Domain(host, origin)


@pytest.mark.parametrize(("text", "sentence"), REFUSED)
def test_what_is_no_domain_is_refused_with_what_to_type_instead(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r".*") as refused:
        domain_of(text)
    assert str(refused.value) == sentence


def test_letters_that_no_domain_may_have_are_refused_without_a_form_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="write the form that begins with xn--, which your registrar shows"):
        domain_of("крам\u200bниця" * 20 + ".укр")

"""Reads the XML of a feed piece by piece, and trusts nothing in it.

Python's expat builds no tree, and takes no longer than lxml with one (30 us for a product of 1.5 KB). Nothing
is expanded or fetched: a document that declares entities is refused, and so is one that goes deeper, has
longer texts or more kinds of tags than any feed needs.
"""

from collections.abc import Callable
from xml.parsers import expat

from gateway.errors import FeedUnreadable
from gateway.feed import plain
from gateway.feed.findings import Finding
from gateway.feed.item import Item, Place

GOOGLE = "http://base.google.com/ns/1.0"
_START, _END = b"<item>", b"</item>"
DEPTH = 20
ITEM_BYTES = 2 * 2**20
"""What one product, one tag or one text may take."""
NAMES = 10_000
"""How many different tags and attributes there may be; expat keeps the name of each for ever."""

_PLAIN = frozenset({"title", "link", "description"})
"""Fields that RSS 2.0 itself has, so that Google takes them without g: as well."""
_KNOWN_FEEDS = {
    "yml_catalog": "is YML, and eSputnik loads Google Merchant RSS 2.0 only: export that format instead",
    "feed": "is Atom, and eSputnik loads RSS 2.0 only: export it as <rss><channel><item>",
    "urlset": "is a sitemap, not a product feed: give the address of the Google Merchant feed",
    "html": "is a web page, not a feed: give the address of the XML file itself",
}
_SENTENCES = {
    "mismatched tag": "a tag is closed that is not the one open there: close each where it was opened",
    "duplicate attribute": "an attribute stands twice in one tag: keep one of them",
    "junk after document element": "something follows after </rss>: write one document into one file",
}
_CUT_OFF = {"no element found", "unclosed token", "unclosed CDATA section", "partial character"}


class _Names(dict[str, str]):
    """What each tag is called, found out once."""

    def __init__(self, name: Callable[[str], str]) -> None:
        super().__init__()
        self._name = name

    def __missing__(self, tag: str) -> str:
        name = self[tag] = self._name(tag)
        return name


class Reader:
    """Takes a feed's bytes, in UTF-8 and without entities of its own, and gives its products.

    With `places` it keeps where each field stands, and reads everything through expat. Without, a product
    that is written plainly is read by `plain`. Whether there is a product at that place, or a comment, is
    expat's to say, which gets an empty one with as many lines in its stead; unless it has just seen another
    end, with nothing but space between.
    """

    def __init__(self, places: bool = False) -> None:
        self.findings: list[Finding] = []
        """What is wrong with the frame around the products."""
        self.channel_link = ""
        self.prefix = "g"
        """What stands for Google's namespace."""
        self.products = 0
        self._places = places
        self._fed = 0
        self._rest = b""
        """The beginning of a product whose end has not come."""
        self._item: Item | None = None
        self._plain: plain.Plain | None = None
        """What was read of the product that expat is about to see."""
        self._after_product = False
        """Whether what comes next follows a product that expat has seen end."""
        self._lines = 0
        self._owed = 0
        """Lines that expat has not been given, so that it counts them still."""
        self._in_cdata = False
        self._declared = False
        self._names = _Names(self._name)
        self._plain_reader = plain.PlainReader(self._names)
        self._text: list[str] = []
        self._items: list[Item] = []
        self._parser = self._open()

    def feed(self, data: bytes, last: bool = False) -> list[Item]:
        """Return the products that end in this piece; raises FeedUnreadable, and then there are no more."""
        self._items = []
        try:
            if self._places:
                self._parse(data, last)
            else:
                self._split(self._rest + data, last)
        except expat.ExpatError as problem:
            raise self._unreadable(problem) from None
        self._refuse_what_is_too_large()
        self.products += len(self._items)
        return self._items

    @property
    def settled(self) -> int:
        """How many bytes, of those fed, no product or tag under way belongs to."""
        begun = self._parser.CurrentByteIndex  # of the tag or text that is not yet complete
        return begun if self._item is None else min(begun, self._item.start)

    def _split(self, data: bytes, last: bool) -> None:
        """Take what is between the products, and each product by itself."""
        at = 0
        while (start := data.find(_START, at)) >= 0 and (end := data.find(_END, start)) >= 0:
            self._take(data[at:start], data[start + len(_START) : end])
            at = end + len(_END)
        self._rest = b""
        if not last:
            keep = start if start >= 0 else max(at, len(data) - len(_START))
            if len(data) - keep < ITEM_BYTES:
                data, self._rest = data[:keep], data[keep:]
        self._lines += data.count(b"\n", at)
        self._parse(data[at:], last)

    def _take(self, before: bytes, body: bytes) -> None:
        """Take a product and what stands before it, past expat where that could only say the same."""
        if before.strip():
            self._parse(before)
        else:
            self._owed += before.count(b"\n")
        self._lines += before.count(b"\n")
        read = None if self._in_cdata else self._plain_reader.read(body.decode())
        within = body.count(b"\n")
        if read is None:
            self._parse(_START + body + _END)
        elif self._after_product:
            item = Item(self._lines + 1, 0, self._names)
            item.take(read)
            self._items.append(item)
            self._owed += within
        else:
            self._plain = read
            known = len(self._items)
            self._parse(_START + b"\n" * within + _END)
            self._plain = None
            self._after_product = len(self._items) > known
        self._lines += within

    def _parse(self, data: bytes, last: bool = False) -> None:
        self._after_product = False
        data = b"\n" * self._owed + data
        self._owed = 0
        self._parser.Parse(data, last)
        self._fed += len(data)

    def _open(self) -> expat.XMLParserType:
        """Return a parser without namespaces, which would take a tenth more; we look ours up once."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = 2**16
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.EntityDeclHandler = self._refuse_entities
        parser.StartCdataSectionHandler = lambda: self._cdata(True)
        parser.EndCdataSectionHandler = lambda: self._cdata(False)
        self._connect(parser)
        return parser

    def _connect(self, parser: expat.XMLParserType) -> None:
        """Set what every tag goes through; closures, which cost a third less than methods."""
        names, text, places = self._names, self._text, self._places
        item: Item | None = None
        depth = line = start = 0
        of_fields = -1  # how deep the fields of the product stand, while we are in one

        def opened(name: str, attributes: dict[str, str]) -> None:
            nonlocal depth, item, of_fields, line, start
            text.clear()
            depth += 1
            if attributes and not self._declared:
                self._namespaces(attributes)
            if depth == of_fields:
                line = parser.CurrentLineNumber
                if places:
                    start = parser.CurrentByteIndex
            elif depth > DEPTH:
                raise FeedUnreadable(
                    f"goes deeper than {DEPTH} tags: a tag is not closed somewhere above", self._line()
                )
            elif item is None:
                if name == "item":
                    self._item = item = Item(parser.CurrentLineNumber, parser.CurrentByteIndex, names)
                    of_fields = depth + 1
                elif depth == 1:
                    self._root(name, attributes)

        def closed(name: str) -> None:
            nonlocal depth, item, of_fields
            if depth == of_fields:
                assert item is not None
                item.add(names[name], "".join(text).strip(), line)
                if places:
                    item.places.append(
                        Place(names[name], "".join(text).strip(), start, parser.CurrentByteIndex)
                    )
            elif item is None:
                if name == "link" and depth == 3:
                    self.channel_link = "".join(text).strip()
            elif depth == of_fields - 1:
                item.end = parser.CurrentByteIndex
                if self._plain is not None:
                    item.take(self._plain)
                self._items.append(item)
                self._item = item = None
                of_fields = -1
            depth -= 1
            text.clear()

        parser.StartElementHandler = opened
        parser.EndElementHandler = closed
        parser.CharacterDataHandler = text.append

    def _cdata(self, begins: bool) -> None:
        self._in_cdata = begins

    def _name(self, tag: str) -> str:
        """Return a field's name as the rules call it; one that is not Google's is `:tag`."""
        prefix, _, local = tag.rpartition(":")
        if prefix != self.prefix:
            return tag if tag in _PLAIN else f":{tag}"
        if not self._declared:
            self._declared = True  # told once
            self.findings.append(Finding("undeclared", self._line()))
        return local

    def _root(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if local != "rss":
            default = f"begins with <{local[:40]}>, not with <rss>: export Google Merchant RSS 2.0"
            raise FeedUnreadable(_KNOWN_FEEDS.get(local.lower(), default), self._line())
        if attributes.get("version") != "2.0":
            self.findings.append(Finding("version", self._line(), detail=attributes.get("version", "")))

    def _namespaces(self, attributes: dict[str, str]) -> None:
        """Find out which prefix stands for Google's namespace."""
        for attribute, uri in attributes.items():
            prefix = attribute.removeprefix("xmlns:")
            if prefix == attribute:
                continue
            if uri.strip() == GOOGLE:
                self.prefix, self._declared = prefix, True
            elif prefix == "g":
                self._declared = True
                self.findings.append(Finding("namespace", self._line(), detail=uri))

    def _refuse_entities(self, *_: object) -> None:
        raise FeedUnreadable(
            "declares entities of its own, which can grow without end and which no feed needs: "
            "remove <!DOCTYPE ...> and write the characters themselves",
            self._line(),
        )

    def _refuse_what_is_too_large(self) -> None:
        texts = sum(map(len, self._text))
        if self._fed - self.settled > ITEM_BYTES or texts > ITEM_BYTES:
            raise FeedUnreadable(
                f"a product, tag or text takes more than {ITEM_BYTES >> 20} MB: a tag is not closed there",
                self._item.line if self._item else self._line(),
            )
        if len(self._parser.intern) > NAMES or len(self._names) > NAMES:
            raise FeedUnreadable(
                f"has more than {NAMES} different tags: write values into tags, not into their names",
                self._line(),
            )

    def _line(self) -> int:
        return self._parser.CurrentLineNumber

    def _unreadable(self, problem: expat.ExpatError) -> FeedUnreadable:
        reason = expat.errors.messages.get(problem.code) or expat.ErrorString(problem.code)
        if reason in _CUT_OFF:
            products = self.products + len(self._items)
            return FeedUnreadable(
                f"ends in the middle, after {products} whole products: export or download was cut off; let "
                "the shop write a new file and rename it when it is whole",
                problem.lineno,
            )
        said = _SENTENCES.get(reason, f"is no well-formed XML ({reason}): mend what writes the feed")
        return FeedUnreadable(f"{said} (column {problem.offset + 1})", problem.lineno)

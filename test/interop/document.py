"""A document as text (format section 4): JSON read strictly and exactly, the signature field, its splice, and the comparison of
what people see with what was signed.

Owns the reading of documents. Assumes a line of UTF-8. Must never re-serialise what it hashes: content is always cut out of the text.
"""
import json
import re
import sys
from dataclasses import dataclass

from lsp1 import SUITES, Header, from_base64url, generated_id

sys.set_int_max_str_digits(0)
sys.setrecursionlimit(20_000)


@dataclass(frozen=True)
class Number:
    """A number as it was written."""

    text: str

    def exact(self) -> tuple[str, str, int]:
        """(sign, digits, exponent), the same for every spelling of one value: 1.0 = 1, −0 = 0."""
        sign, whole, fraction, exponent = re.fullmatch(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?", self.text).groups()
        digits = whole + (fraction or "")
        stripped = digits.rstrip("0")
        power = int(exponent or 0) - len(fraction or "") + len(digits) - len(stripped)
        stripped = stripped.lstrip("0")
        return (sign, stripped, power) if stripped else ("", "", 0)


@dataclass(frozen=True)
class Members:
    """An object: its members in order, names that occur twice included."""

    pairs: tuple

    def names(self) -> list[str]:
        return [name for name, _ in self.pairs]

    def get(self, name: str, default: object = None) -> object:
        return next((value for one, value in self.pairs if one == name), default)

    def twice(self) -> bool:
        return len(set(self.names())) != len(self.pairs)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(
    parse_int=Number, parse_float=Number, parse_constant=_refuse, object_pairs_hook=lambda pairs: Members(tuple(pairs))
)
_BLANKS = re.compile(r"[ \t\n\r]*")


def read_json(text: str) -> object:
    """Raises ValueError for anything but one RFC 8259 value."""
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("too deep") from error


def spans_of(text: str) -> dict[str, tuple[int, int]]:
    """Where the values of a valid object's members stand in its text; of a name that occurs twice, the first."""
    spans: dict[str, tuple[int, int]] = {}
    at = _BLANKS.match(text, text.index("{") + 1).end()
    while text[at] != "}":
        name, at = json.decoder.scanstring(text, at + 1)
        start = _BLANKS.match(text, _BLANKS.match(text, at).end() + 1).end()
        end = value_end(text, start)
        spans.setdefault(name, (start, end))
        at = _BLANKS.match(text, end).end()
        if text[at] == ",":
            at = _BLANKS.match(text, at + 1).end()
    return spans


def value_end(text: str, start: int) -> int:
    """One past the value that begins at start."""
    return _DECODER.raw_decode(text, start)[1]


def plain(value: object) -> object:
    """To dicts, lists, ints: for trusted files and control records, where only small exact integers occur."""
    if isinstance(value, Members):
        return {name: plain(member) for name, member in value.pairs}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, Number):
        return int(value.text) if re.fullmatch(r"-?\d+", value.text) else float(value.text)
    return value


# -- the signature field -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SignatureField:
    v: int
    header: Header
    tag: bytes
    hash: bytes | None
    salt: bytes | None
    raw: str | None


_BITS = {"v": 8, "suite": 8, "type": 8, "flags": 16, "epoch": 32, "index": 32, "seq": 64, "time": 64}
_BYTES = {"chain": 16, "prev": 16, "tag": 16, "salt": 16, "hash": 32}
_TEXTS = ("dest", "id", "raw")
_NEEDED = {"v", "suite", "chain", "epoch", "index", "seq", "time", "dest", "prev", "tag"}


def read_signature_field(text: str) -> SignatureField | str:
    """The field, or the reason why it is MALFORMED."""
    try:
        field = read_json(text)
    except ValueError:
        return "not JSON"
    spans = spans_of(text) if isinstance(field, Members) else {}
    if not isinstance(field, Members) or field.twice():
        return "not an object with members that occur once"
    got: dict = {}
    for name, value in field.pairs:
        if name in _BITS:
            if not isinstance(value, Number) or not re.fullmatch(r"0|[1-9]\d*", value.text) or int(value.text) >> _BITS[name]:
                return f"{name} is not an integer of {_BITS[name]} bits"
            got[name] = int(value.text)
        elif name in _BYTES:
            got[name] = from_base64url(value, _BYTES[name])
            if got[name] is None or "\\" in text[slice(*spans[name])]:
                return f"{name} is not base64url of {_BYTES[name]} bytes"
        elif name in _TEXTS:
            if not isinstance(value, str) or (name != "raw" and not _fits(value)):
                return f"{name} is not text"
            got[name] = value
        elif name == "digests":
            if not isinstance(value, Members) or not all(isinstance(digest, str) for _, digest in value.pairs):
                return "digests is not an object of texts"
        else:
            return f"unknown member {name}"
    if not _NEEDED <= got.keys():
        return f"without {', '.join(sorted(_NEEDED - got.keys()))}"
    # Zero is spelled by absence; type and flags have the values that the page names.
    if got.get("type", 1) != 1 or got.get("flags", 1) != 1 or ("flags" in got) != ("id" in got):
        return "type, flags or id is not as written by a proxy"
    erased = "salt" not in got
    if erased and ("raw" in got or "hash" not in got):
        return "without salt, and not as an erased record is"
    chain, seq = got["chain"], got["seq"]
    identity = got.get("id", generated_id(chain, seq))
    place = (got["epoch"], got["index"], seq, got["time"], got["prev"], got["dest"], identity)
    header = Header(got["suite"], got.get("type", 0), got.get("flags", 0), chain, *place)
    return SignatureField(got["v"], header, got["tag"], got.get("hash"), got.get("salt"), got.get("raw"))


def _fits(text: str) -> bool:
    try:
        return len(text.encode("utf-8")) < 1 << 16
    except UnicodeEncodeError:
        return False


def content_of(source: str, field: SignatureField) -> bytes | None:
    """The bytes that were signed: raw, or the text of _source with the splice undone; None where neither can be had."""
    if field.raw is not None:
        try:
            return field.raw.encode("utf-8")
        except UnicodeEncodeError:
            return None
    opening = '{"logseal":'
    if not source.startswith(opening):
        return None
    if source[len(opening)] != "{":
        return None
    rest = source[value_end(source, len(opening)):]
    if rest.startswith(","):
        return ("{" + rest[1:]).encode("utf-8")
    return ("{" + rest).encode("utf-8") if _BLANKS.match(rest).end() == len(rest) - 1 else None


# -- what people see ---------------------------------------------------------------------------------------------------

PIPELINE_MAY_ADD = ("@timestamp", "event.ingested", "ecs.version", "data_stream")


def same(signed: object, seen: object) -> bool:
    """Objects regardless of order, arrays in order, strings by code point, numbers as exact decimals, types never mixed."""
    if type(signed) is not type(seen):
        return False
    if isinstance(signed, Number):
        return signed.exact() == seen.exact()
    if isinstance(signed, list):
        return len(signed) == len(seen) and all(map(same, signed, seen))
    if isinstance(signed, Members):
        if signed.twice() or seen.twice():
            return len(signed.pairs) == len(seen.pairs) and all(a[0] == b[0] and same(a[1], b[1]) for a, b in zip(signed.pairs, seen.pairs))
        return set(signed.names()) == set(seen.names()) and all(same(value, seen.get(name)) for name, value in signed.pairs)
    return signed == seen


def view_differs(signed: object, seen: object, path: str = "", changed: tuple = ()) -> str | None:
    """The first path on which they differ and no pipeline was allowed to. `changed`: paths a policy gives to pipelines."""
    inside = isinstance(signed, Members) and isinstance(seen, Members) and not signed.twice() and not seen.twice()
    if not inside:
        return None if same(signed, seen) else path
    for name in dict.fromkeys(signed.names() + seen.names()):
        here = f"{path}.{name}" if path else name
        if _covered(here, changed):
            continue
        if name not in seen.names():
            return here
        if name not in signed.names():
            if not _added(seen.get(name), here, changed):
                return here
            continue
        differs = view_differs(signed.get(name), seen.get(name), here, changed)
        if differs is not None:
            return differs
    return None


def _covered(path: str, given: tuple) -> bool:
    return any(path == one or path.startswith(one + ".") for one in given)


def _added(value: object, path: str, changed: tuple) -> bool:
    """Whether everything that was added here may be added: an object is as good as its members."""
    if _covered(path, PIPELINE_MAY_ADD + changed):
        return True
    return isinstance(value, Members) and bool(value.pairs) and all(_added(member, f"{path}.{name}", changed) for name, member in value.pairs)

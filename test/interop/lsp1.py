"""The bytes of format LSP1 (docs/formats/lsp1.md, sections 2 to 6): hashes, keys, headers, tags, seals, the log, checkpoints.

Owns every formula and every strict decoder. Assumes nothing about where its input came from: all decoders return None for
anything that is not the one right spelling. Must never read a key, an anchor or a time from the data that it checks.
Standard library only; written from the page alone, so that a disagreement with the proxy means something.
"""
import base64
import hashlib
import re
from dataclasses import dataclass

# -- section 2: notation and suites ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Suite:
    number: int
    algorithm: str
    block: int

    def h(self, *parts: bytes) -> bytes:
        return hashlib.new(self.algorithm, b"".join(parts)).digest()

    def m(self, key: bytes, *parts: bytes) -> bytes:
        """RFC 2104. `hmac` of the standard library takes a wrong block size for SHA3 in some versions, so by hand."""
        key = (self.h(key) if len(key) > self.block else key).ljust(self.block, b"\0")
        inner = self.h(bytes(b ^ 0x36 for b in key), *parts)
        return self.h(bytes(b ^ 0x5C for b in key), inner)


SUITES = {
    1: Suite(1, "sha256", 64),
    2: Suite(2, "sha512_256", 128),
    3: Suite(3, "sha3_256", 136),
    4: Suite(4, "blake2s", 64),
}
SHA256 = SUITES[1]


def u(value: int, width: int) -> bytes:
    return value.to_bytes(width, "big")


def lp(text: str) -> bytes:
    encoded = text.encode("utf-8")
    return u(len(encoded), 2) + encoded


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: object, size: int) -> bytes | None:
    """Without padding, spare bits zero, exactly `size` bytes: one spelling."""
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        return None
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return data if len(data) == size and base64url(data) == text else None


def from_base64(text: str, size: int | None = None) -> bytes | None:
    """With padding, spare bits zero."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    right = base64.b64encode(data).decode() == text and (size is None or len(data) == size)
    return data if right else None


# -- section 3: keys ---------------------------------------------------------------------------------------------------


def chain_id(suite: Suite, secret: bytes) -> bytes:
    return suite.h(b"LSP1/chain\0", secret)[:16]


class KeyTree:
    """From S_chain, or from the nodes of a range key: {(depth, prefix): key}."""

    def __init__(self, suite: Suite, nodes: dict[tuple[int, int], bytes]):
        self.suite = suite
        self.nodes = nodes
        self.known: dict[int, bytes] = {}

    def mac_key(self, epoch: int) -> bytes | None:
        if epoch not in self.known:
            node = self._node(32, epoch)
            if node is None:
                return None
            self.known[epoch] = self.suite.m(node, b"LSP1/mac")
        return self.known[epoch]

    def _node(self, depth: int, prefix: int) -> bytes | None:
        if (depth, prefix) in self.nodes:
            return self.nodes[depth, prefix]
        if depth == 0:
            return None
        above = self._node(depth - 1, prefix >> 1)
        return None if above is None else self.suite.m(above, b"LSP1/R" if prefix & 1 else b"LSP1/L")


# -- section 4: content, header, tag, leaf -----------------------------------------------------------------------------


def content_hash(suite: Suite, salt: bytes, content: bytes) -> bytes:
    return suite.h(b"LSP1/content\0", salt, content)


@dataclass(frozen=True)
class Header:
    suite: int
    type: int
    flags: int
    chain: bytes
    epoch: int
    index: int
    seq: int
    time: int
    prev: bytes
    dest: str
    id: str

    def encode(self, commitment: bytes) -> bytes:
        fixed = b"LSP1" + u(self.suite, 1) + u(self.type, 1) + u(self.flags, 2) + self.chain
        where = u(self.epoch, 4) + u(self.index, 4) + u(self.seq, 8) + u(self.time, 8)
        return fixed + where + commitment + self.prev + lp(self.dest) + lp(self.id)


def tag(suite: Suite, mac_key: bytes, header: bytes) -> bytes:
    return suite.m(mac_key, header)[:16]


def leaf(suite: Suite, *entry: bytes) -> bytes:
    return suite.h(b"\0", *entry)


def generated_id(chain: bytes, seq: int) -> str:
    return base64url(chain[:8] + u(seq, 8))


# -- Merkle trees, RFC 6962 --------------------------------------------------------------------------------------------


def root_of(suite: Suite, leaves: list[bytes]) -> bytes:
    if not leaves:
        return suite.h(b"")
    # Level by level; a node without a sibling moves up as it is, which gives the tree of RFC 6962 for every size.
    while len(leaves) > 1:
        pairs = [suite.h(b"\1", leaves[i], leaves[i + 1]) for i in range(0, len(leaves) - 1, 2)]
        leaves = pairs + leaves[len(leaves) & ~1:]
    return leaves[0]


def split(size: int) -> int:
    """The largest power of two below size."""
    return 1 << (size - 1).bit_length() - 1


def subtrees_of(gone: list[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    """(start, size) of the largest complete subtrees that lie wholly in `gone` (inclusive ranges), left to right."""

    def walk(start: int, count: int) -> list[tuple[int, int]]:
        if not any(a < start + count and start <= b for a, b in gone):
            return []
        inside = any(a <= start and start + count - 1 <= b for a, b in gone)
        if inside and count & (count - 1) == 0:
            return [(start, count)]
        if count == 1:
            return []
        return walk(start, split(count)) + walk(start + split(count), count - split(count))

    return walk(0, size) if size else []


def root_with_subtrees(suite: Suite, size: int, leaves: dict[int, bytes], nodes: dict[tuple[int, int], bytes]) -> bytes | None:
    """The root where some leaves are known only by the roots of their subtrees; None where anything is missing."""

    def walk(start: int, count: int) -> bytes | None:
        if (start, count) in nodes:
            return nodes[start, count]
        if count == 1:
            return leaves.get(start)
        left, right = walk(start, split(count)), walk(start + split(count), count - split(count))
        return None if left is None or right is None else suite.h(b"\1", left, right)

    return suite.h(b"") if size == 0 else walk(0, size)


def inclusion_proof(suite: Suite, leaves: list[bytes], index: int) -> list[bytes]:
    if len(leaves) < 2:
        return []
    k = split(len(leaves))
    if index < k:
        return inclusion_proof(suite, leaves[:k], index) + [root_of(suite, leaves[k:])]
    return inclusion_proof(suite, leaves[k:], index - k) + [root_of(suite, leaves[:k])]


def consistency_proof(suite: Suite, leaves: list[bytes], old: int, whole: bool = True) -> list[bytes]:
    size = len(leaves)
    if old == size:
        return [] if whole else [root_of(suite, leaves)]
    k = split(size)
    if old <= k:
        return consistency_proof(suite, leaves[:k], old, whole) + [root_of(suite, leaves[k:])]
    return consistency_proof(suite, leaves[k:], old - k, False) + [root_of(suite, leaves[:k])]


# -- section 5: seals --------------------------------------------------------------------------------------------------

_INTEGER = r"(0|[1-9][0-9]*)"
_SEAL = re.compile(
    rf"LSP1 seal\norigin ([^\n]+)\nsuite {_INTEGER}\nchain ([0-9a-f]{{32}})\nepoch {_INTEGER}\nfirst {_INTEGER}\n"
    rf"count {_INTEGER}\nroot ([^\n]+)\nprev ([^\n]+)\nopened {_INTEGER}\nclosed {_INTEGER}\n"
    r"reason (size|time|shutdown|recovery|rotate|idle)\nanchor ([^\n]+)\nmac ([^\n]+)\n"
)


@dataclass(frozen=True)
class Seal:
    text: str
    origin: str
    suite: int
    chain: bytes
    epoch: int
    first: int
    count: int
    root: bytes
    prev: bytes
    opened: int
    closed: int
    reason: str
    mac: bytes

    @property
    def seqs(self) -> range:
        return range(self.first, self.first + self.count)

    def mac_is_right(self, keys: KeyTree) -> bool:
        key = keys.mac_key(self.epoch)
        lines = self.text[: self.text.rindex("mac ")].encode()
        return key is not None and keys.suite.m(key, b"LSP1/seal\0", lines) == self.mac


def decode_seal(text: object) -> Seal | None:
    match = _SEAL.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    origin, suite, chain, epoch, first, count, root, prev, opened, closed, reason, anchor, mac = match.groups()
    binary = from_base64(root, 32), from_base64(prev, 16), from_base64(mac, 32)
    numbers = int(epoch), int(first), int(count), int(opened), int(closed)
    wide = numbers[0] >= 1 << 32 or numbers[2] >= 1 << 32 or max(numbers) >= 1 << 64
    if None in binary or wide or (anchor != "-" and from_base64(anchor, 32) is None):
        return None
    return Seal(text, origin, int(suite), bytes.fromhex(chain), *numbers[:3], binary[0], binary[1], *numbers[3:], reason, binary[2])


# -- section 6: checkpoints, C2SP signed notes -------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes


def decode_vkey(vkey: str) -> tuple[str, bytes, bytes] | None:
    """name+id+base64(0x01 ‖ key) to (name, key id, key)."""
    match = re.fullmatch(r"([^+\s]+)\+([0-9a-f]{8})\+(\S+)", vkey)
    key = from_base64(match[3], 33) if match else None
    if match is None or key is None or key[0] != 1:
        return None
    identity = hashlib.sha256(match[1].encode() + b"\n" + key).digest()[:4]
    return (match[1], identity, key[1:]) if identity.hex() == match[2] else None


def open_checkpoint(note: object, vkey: str) -> Checkpoint | str:
    """The checkpoint if it is signed by vkey; else MALFORMED, FOREIGN or FORGED."""
    name, identity, key = decode_vkey(vkey) or ("", b"", b"")
    shape = r"([^\n]+)\n(0|[1-9][0-9]*)\n([^\n]+)\n\n((?:— [^\n]+\n)+)"
    match = re.fullmatch(shape, note) if isinstance(note, str) else None
    root = from_base64(match[3], 32) if match else None
    if match is None or root is None:
        return "MALFORMED"
    if match[1] != name:
        return "FOREIGN"
    text = note[: note.index("\n\n") + 1].encode()
    for line in match[4].splitlines():
        parts = line.split(" ")
        blob = from_base64(parts[2], 68) if len(parts) == 3 else None
        if parts[1] == name and blob and blob[:4] == identity and ed25519_verify(key, text, blob[4:]):
            return Checkpoint(match[1], int(match[2]), root)
    return "FORGED"


# -- Ed25519, RFC 8032, verification only ------------------------------------------------------------------------------

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P


def _recover_x(y: int, sign: int) -> int | None:
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    return x if x & 1 == sign else _P - x


def _point(data: bytes) -> tuple[int, int, int, int] | None:
    number = int.from_bytes(data, "little")
    y = number & (1 << 255) - 1
    x = _recover_x(y, number >> 255)
    return None if x is None else (x, y, 1, x * y % _P)


def _add(p: tuple, q: tuple) -> tuple:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, p: tuple) -> tuple:
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = _add(total, p)
        p, scalar = _add(p, p), scalar >> 1
    return total


_BASE = _point(b"\x58" + b"\x66" * 31)


def ed25519_verify(key: bytes, message: bytes, signature: bytes) -> bool:
    if len(key) != 32 or len(signature) != 64:
        return False
    a, r, s = _point(key), _point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= _L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % _L
    left, right = _times(s, _BASE), _add(r, _times(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 and (left[1] * right[2] - right[1] * left[2]) % _P == 0


def operator_message(origin: str, serial: int, canonical: str) -> bytes:
    return b"LSP1/operator\0" + lp(origin) + u(serial, 8) + canonical.encode("utf-8")

"""What control records say (format section 7): rejects, places, retries, and the acts of operators with their signatures.

Owns the reading of control records. Assumes that the records given were verified. Must never act on an operator's record
whose signature is not that of a key the verifier brought.
"""
import hashlib
import json
from collections import defaultdict

import lsp1
from document import content_of, plain, read_json

OPERATOR_KINDS = {"discard", "policy", "retire", "erase", "acknowledge"}
ROTATIONS_WITHOUT_OPERATOR = {"schedule", "clock", "certificates", "upstream"}


class Acts:
    def __init__(self) -> None:
        self.seqs: dict[str, dict[bytes, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        self.indices_of: dict[str, set[str]] = defaultdict(set)
        self.before: dict[str, int] = defaultdict(int)
        self.acknowledgements: list[tuple[bytes, int, int, str]] = []
        self.retirements: list[dict] = []
        self.pipeline_paths: tuple = ()

    def _named(self, kind: str, chain: bytes, seq: int) -> bool:
        return any(first <= seq <= last for first, last in self.seqs[kind][chain])

    def rejected(self, chain: bytes, seq: int) -> bool:
        return self._named("reject", chain, seq)

    def retried(self, chain: bytes, seq: int) -> bool:
        return self._named("retry", chain, seq)

    def discarded(self, chain: bytes, seq: int) -> bool:
        return self._named("discard", chain, seq)

    def retired(self, chain: bytes, seq: int) -> bool:
        return self._named("retire", chain, seq)

    def erased(self, chain: bytes, seq: int) -> bool:
        return self._named("erase", chain, seq)

    def acknowledged(self, chain: bytes, seq: int, last: int | None, verdict: str) -> bool:
        end = seq if last is None else last
        return any(c == chain and a <= seq and end <= b and v == verdict for c, a, b, v in self.acknowledgements)

    def retired_nodes(self, chain: bytes, seal: lsp1.Seal) -> dict[tuple[int, int], bytes]:
        """Roots of the retired subtrees of a partly kept epoch, by (start, size) within it."""
        gone = [(max(a, seal.first) - seal.first, min(b, seal.seqs[-1]) - seal.first)
                for a, b in self.seqs["retire"][chain] if seal.count and a <= seal.seqs[-1] and b >= seal.first]  # fmt: skip
        nodes: dict[tuple[int, int], bytes] = {}
        for body in self.retirements:
            roots = (body.get("leaves") or {}).get(str(seal.epoch))
            if lsp1.from_base64url(body.get("chain"), 16) == chain and roots:
                nodes |= dict(zip(lsp1.subtrees_of(gone, seal.count), (lsp1.from_base64(root, 32) for root in roots)))
        return nodes


def read_acts(verifier, control) -> Acts:
    """In the order of the control chain. Acts without a valid operator signature are UNAUTHORISED and have no effect."""
    acts = verifier.acts = Acts()
    serials: dict[str, int] = {}
    for document in sorted(control, key=lambda d: d.field.header.seq):
        content = content_of(document.source, document.field)
        if document.verdict or content is None:
            continue
        try:
            record = plain(read_json(content.decode("utf-8")))
        except ValueError:
            continue
        kinds = [name for name in record if name != "operator"]
        if len(kinds) != 1:
            continue
        kind, body = kinds[0], record[kinds[0]]
        origin = verifier.origin_of[document.field.header.chain]
        operated = kind in OPERATOR_KINDS or (kind == "rotate" and body.get("why") not in ROTATIONS_WITHOUT_OPERATOR)
        if operated and not authorised(origin, kind, body, record.get("operator"), verifier.operators, serials):
            verifier.report(document, "UNAUTHORISED", f"{kind} without a valid operator signature")
            continue
        record_act(acts, kind, body)
    return acts


def record_act(acts: Acts, kind: str, body: dict) -> None:
    chain = lsp1.from_base64url(body.get("chain"), 16)
    if kind == "place":
        acts.indices_of[body["dest"]].add(body["index"])
        acts.before[body["index"]] = max(acts.before[body["index"]], body["documents"])
    elif kind in ("reject", "retry", "discard", "retire"):
        acts.seqs[kind][chain] += [(first, last) for first, last in body["seqs"]]
        if kind == "retire":
            acts.retirements.append(body)
    elif kind == "erase":
        acts.seqs[kind][chain].append((body["seq"], body["seq"]))
    elif kind == "acknowledge":
        acts.acknowledgements.append((chain, body["from"], body["to"], body["verdict"]))


def authorised(origin: str, kind: str, body: dict, operator: object, keys: list[bytes], serials: dict[str, int]) -> bool:
    if not isinstance(operator, dict):
        return False
    key = next((spki for spki in keys if hashlib.sha256(spki).hexdigest() == operator.get("key")), None)
    serial, signature = operator.get("serial"), lsp1.from_base64url(operator.get("sig"), 64)
    if key is None or signature is None or not isinstance(serial, int) or serial <= serials.get(operator["key"], -1):
        return False
    message = lsp1.operator_message(origin, serial, canonical({kind: body}))
    # An Ed25519 SPKI is twelve bytes of DER and the key.
    right = len(key) == 44 and lsp1.ed25519_verify(key[12:], message, signature)
    if right:
        serials[operator["key"]] = serial
    return right


def canonical(value: object) -> str:
    """RFC 8785 for what control records hold: objects, arrays, text and integers. Names sort by UTF-16 code unit."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{canonical(name)}:{canonical(member)}" for name, member in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value, ensure_ascii=False)

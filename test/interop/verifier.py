#!/usr/bin/env python3
"""A verifier of Logseal exports by somebody else, written from docs/formats/lsp1.md alone.

    verifier.py EXPORT.ndjson --trust TRUST.json (--keys KEYS.json | --public) [--operator-key SPKI] [--grace SECONDS]

KEYS.json is what `logseal keys unwrap SOURCE --key F --json` printed. Findings go to standard output, one a line, the summary last.
Owns the judgement (section 9), as far as an export allows it: no live source, no anchors, no state, no synthetic source.
"""
import argparse
import json
import re
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

import lsp1
from control import Acts, read_acts
from document import Members, SignatureField, content_of, plain, read_json, read_signature_field, spans_of, view_differs
from log import Log

TAMPERING = {
    "MODIFIED", "VIEW-DRIFT", "MISSING", "MISSING-SEAL", "REORDERED", "DUPLICATED", "MOVED", "FORGED", "FOREIGN", "UNSIGNED",
    "MALFORMED", "TRUNCATED", "ROLLED-BACK", "EQUIVOCATION", "FORK", "ANCHOR-MISMATCH", "UNAUTHORISED", "RETIRED-EARLY",
    "ERASE-INCOMPLETE",
}  # fmt: skip
CANNOT_SAY = {"UNKNOWN-KEY", "BAD-KEY", "UNSUPPORTED", "ANCHOR-INVALID", "STALE"}
GOOD = {"OK", "RETIRED-OK", "ERASED-OK", "REJECTED-OK"}


@dataclass
class Document:
    """One document of the export that carries a signature field, and what is known of it so far."""

    index: str
    id: str
    source: str
    body: Members
    field: SignatureField | None = None
    commitment: bytes | None = None
    """C as recomputed from the content; None where there is no content."""
    verdict: str = ""
    detail: str = ""
    holds: bool = False

    @property
    def place(self) -> tuple[bytes, int]:
        return self.field.header.chain, self.field.header.seq

    @property
    def leaf_entry(self) -> bytes:
        """header ‖ T, with the commitment that the tag is over."""
        stored = self.field.hash is not None and self.verdict_of_tag != "recomputed"
        return self.field.header.encode(self.field.hash if stored else self.commitment or bytes(32)) + self.field.tag

    verdict_of_tag: str = ""
    """Which commitment the tag verified with: stored, recomputed, or neither."""


class Verifier:
    def __init__(self, trusts: list[dict], secrets: dict[str, str], public: bool, operators: list[bytes], grace_ms: int, now: int):
        self.trusts, self.public, self.operators, self.grace_ms, self.now = trusts, public, operators, grace_ms, now
        self.secrets = {lsp1.from_base64url(chain, 16): lsp1.from_base64url(secret, 32) for chain, secret in secrets.items()}
        self.keys: dict[bytes, lsp1.KeyTree] = {}
        for chain, secret in self.secrets.items():
            suites = [s for s in lsp1.SUITES.values() if secret and lsp1.chain_id(s, secret) == chain]
            if suites:
                self.keys[chain] = lsp1.KeyTree(suites[0], {(0, 0): secret})
        self.findings: list[dict] = []
        self.counts: Counter = Counter()
        self.documents: list[Document] = []
        self.unsigned: dict[str, list[str]] = defaultdict(list)
        self.malformed: list[tuple[str, str, str]] = []
        self.system: list[tuple[str, str, Members]] = []
        self.mappings: dict[str, object] = {}

    # -- reading -------------------------------------------------------------------------------------------------------

    def read(self, lines) -> None:
        for line in lines:
            if line.strip():
                self._read_line(line)

    def _read_line(self, line: bytes) -> None:
        try:
            text = line.decode("utf-8")
            hit = read_json(text)
            spans = spans_of(text)
        except ValueError as error:
            named = re.match(rb'\s*{"_index":"([^"\\]*)","_id":"([^"\\]*)"', line)
            index, identity = (part.decode("utf-8", "replace") for part in named.groups()) if named else (None, None)
            self.malformed.append((index, identity, f"not JSON: {error}"))
            return
        index, identity = hit.get("_index"), hit.get("_id")
        if "_mappings" in spans:
            self.mappings[index] = hit.get("_mappings")
            return
        source = text[slice(*spans["_source"])]
        body = hit.get("_source")
        if index in ("logseal-seals", "logseal-checkpoints"):
            self.system.append((index, identity, body))
        elif not isinstance(body, Members):
            self.malformed.append((index, identity, "not an object"))
        elif "logseal" not in body.names():
            self.unsigned[index].append(identity)
        else:
            self._read_signed(Document(index, identity, source, body))

    def _read_signed(self, document: Document) -> None:
        """MALFORMED and UNSUPPORTED, the verdicts that need no key."""
        field = read_signature_field(document.source[slice(*spans_of(document.source)["logseal"])])
        if isinstance(field, str):
            self.malformed.append((document.index, document.id, field))
            return
        document.field = field
        if field.v != 1 or field.header.suite not in lsp1.SUITES:
            document.verdict = "UNSUPPORTED"
        elif field.salt is not None:
            content = content_of(document.source, field)
            if content is not None:
                document.commitment = lsp1.content_hash(lsp1.SUITES[field.header.suite], field.salt, content)
        self.documents.append(document)

    # -- judging -------------------------------------------------------------------------------------------------------

    def judge(self) -> dict:
        self._read_trust()
        self.synthetic = {index for index, mapping in self.mappings.items() if is_synthetic(mapping)}
        self.not_covered = [f"{index}: synthetic _source, what is seen is not compared with what was signed" for index in sorted(self.synthetic)]
        control = [d for d in self.documents if d.field.header.type == 1]
        self._extend_trust(control)
        self.log = Log(self)
        for document in self.documents:
            self._judge_tag(document)
        if self.public:
            self._judge_by_roots()
        self.acts: Acts = read_acts(self, [d for d in control if d.holds and d.field.header.chain in self.control])
        for index, identity, reason in self.malformed:
            self.find("MALFORMED", index=index, id=identity, detail=reason)
        self._judge_places()
        self._judge_unsigned()
        self._judge_mappings()
        self._judge_chains()
        self.log.judge()
        return self._summary()

    def _read_trust(self) -> None:
        self.origin_of: dict[bytes, str] = {}
        self.control: set[bytes] = set()
        for trust in self.trusts:
            self.control.add(lsp1.from_base64url(trust["control"], 16))
            for chain in [trust["control"], *trust["chains"]]:
                self.origin_of[lsp1.from_base64url(chain, 16)] = trust["origin"]
        self.suite_of: dict[bytes, int] = {}

    def _extend_trust(self, control: list[Document]) -> None:
        """Chains that a `chain` or `rotate` record of a trusted control chain names, its tag verified."""
        grew = True
        while grew:
            grew = False
            for document in control:
                header = document.field.header
                intact = document.field.hash in (None, document.commitment)
                if header.chain not in self.control or not intact or not (self.public or self._tag_source(document)):
                    continue
                kind, body = control_kind(document)
                names = {"chain": [body.get("id")], "rotate": [body.get("new")]}.get(kind, [])
                for chain in filter(None, (lsp1.from_base64url(name, 16) for name in names)):
                    if kind == "chain":
                        self.suite_of.setdefault(chain, body.get("suite"))
                    successor = kind == "rotate" and lsp1.from_base64url(body.get("old"), 16) in self.control
                    if chain not in self.origin_of or (successor and chain not in self.control):
                        self.origin_of.setdefault(chain, self.origin_of[header.chain])
                        if successor:
                            self.control.add(chain)
                        grew = True

    def _tag_source(self, document: Document) -> str:
        """'stored' or 'recomputed': the commitment that the tag verifies with; '' for neither."""
        field, keys = document.field, self.keys.get(document.field.header.chain)
        if keys is None or keys.suite.number != field.header.suite:
            return ""
        mac_key = keys.mac_key(field.header.epoch)
        for name, commitment in (("stored", field.hash), ("recomputed", document.commitment)):
            if commitment and lsp1.tag(keys.suite, mac_key, field.header.encode(commitment)) == field.tag:
                return name
        return ""

    def _judge_tag(self, document: Document) -> None:
        if document.verdict:
            return
        field, chain = document.field, document.field.header.chain
        if chain not in self.origin_of:
            document.verdict = "FOREIGN"
        elif self.public:
            return
        elif chain not in self.secrets:
            document.verdict = "UNKNOWN-KEY"
        elif chain not in self.keys:
            document.verdict = "BAD-KEY"
        else:
            document.verdict_of_tag = self._tag_source(document)
            document.holds = document.verdict_of_tag != ""
            suite_is_right = self.keys[chain].suite.number == field.header.suite
            if not document.holds:
                document.verdict = "FORGED" if field.hash is not None or not suite_is_right else "MODIFIED"
            elif field.hash is not None and document.commitment != field.hash:
                document.verdict = "MODIFIED"

    def _judge_by_roots(self) -> None:
        """Without key tags are taken as given; header and content are judged by the epoch's root."""
        epochs = defaultdict(dict)
        for document in self.documents:
            if document.verdict == "":
                header = document.field.header
                epochs[header.chain, header.epoch].setdefault(header.index, document)
        for (chain, epoch), members in epochs.items():
            seal = self.log.seals.get((chain, epoch))
            suite = lsp1.SUITES[next(iter(members.values())).field.header.suite]
            leaves = [lsp1.leaf(suite, members[i].leaf_entry) for i in range(len(members)) if i in members]
            right = seal and len(leaves) == seal.count == len(members) and lsp1.root_of(suite, leaves) == seal.root
            for document in members.values():
                document.holds = True
                stored = document.field.hash
                if right and (stored is None or document.commitment == stored):
                    continue
                document.verdict = "MODIFIED" if right or seal else "PENDING"
                document.detail = "the root of the epoch cannot be rebuilt"

    def _judge_places(self) -> None:
        """One document for each place (chain, seq); the rest are DUPLICATED or, with another tag, EQUIVOCATION."""
        self.held: dict[bytes, dict[int, Document]] = defaultdict(dict)
        self.named: dict[bytes, set[int]] = defaultdict(set)
        candidates = defaultdict(list)
        for document in self.documents:
            if document.holds:
                candidates[document.place].append(document)
            elif document.verdict in ("FORGED", "MODIFIED"):
                self.named[document.place[0]].add(document.place[1])
                self.report(document)
            elif document.verdict == "UNSUPPORTED":
                self.find("UNSUPPORTED", index=document.index, id=document.id)
            else:
                self.report(document)
        for (chain, seq), documents in sorted(candidates.items()):
            documents.sort(key=lambda d: (not self._in_place(d), d.index == "logseal-rejects", d.verdict != ""))
            first, *others = documents
            self.held[chain][seq] = first
            self._judge_held(first)
            for other in others:
                if other.field.tag != first.field.tag:
                    self.report(other, "EQUIVOCATION", "another record with a valid tag has the same seq")
                elif not (other.index == "logseal-rejects" and self.acts.retried(chain, seq) and self.acts.rejected(chain, seq)):
                    self.report(other, "DUPLICATED")

    def _judge_held(self, document: Document) -> None:
        """The verdict of the document that holds its place."""
        chain, seq = document.place
        erased = document.field.salt is None
        if self._is_open(document):
            document.verdict = document.verdict or "PENDING"
        elif self.acts.erased(chain, seq):
            visible = [name for name in document.body.names() if name not in ("logseal", "@timestamp", "reject")]
            document.verdict = "ERASED-OK" if erased and document.field.raw is None and not visible else "ERASE-INCOMPLETE"
        elif erased:
            document.verdict = "MODIFIED"
        if not self._in_place(document):
            self.report(document, "MOVED", "not in its place")
            if document.verdict in ("", "PENDING"):
                drift = self._view_drift(document)
                if drift is not None:
                    self.report(document, "VIEW-DRIFT", drift)
                return
        drift = self._view_drift(document) if document.verdict in ("", "PENDING") else None
        if drift is not None:
            document.verdict, document.detail = "VIEW-DRIFT", drift
        good = "REJECTED-OK" if document.index == "logseal-rejects" else "OK"
        self.report(document, document.verdict or good)

    def _view_drift(self, document: Document) -> str | None:
        if document.field.raw is None or document.index == "logseal-rejects" or document.index in self.synthetic:
            return None
        seen = Members(tuple(pair for pair in document.body.pairs if pair[0] != "logseal"))
        try:
            signed = read_json(document.field.raw)
        except ValueError:
            return "raw is not JSON"
        return view_differs(signed, seen, "", self.acts.pipeline_paths)

    def _in_place(self, document: Document) -> bool:
        header, index = document.field.header, document.index
        if index == "logseal-rejects":
            chain, seq = document.place
            return self.acts.rejected(chain, seq) and document.id == lsp1.generated_id(chain, seq)
        names = {header.dest} | self.acts.indices_of[header.dest]
        bare = re.sub(r"^(partial-|restored-|shrink-[^-]{4}-)+", "", index)
        backing = re.fullmatch(rf"\.ds-{re.escape(header.dest)}-\d{{4}}\.\d\d\.\d\d-\d{{6}}", bare)
        return document.id == header.id and (index in names or bare in names or backing is not None)

    def _is_open(self, document: Document) -> bool:
        header = document.field.header
        return header.epoch > self.log.last_epoch(header.chain) and not self.log.epoch_is_lost(header)

    def _judge_unsigned(self) -> None:
        places = set.union({"logseal-control", "logseal-rejects"}, *self.acts.indices_of.values()) | set(self.acts.indices_of) | {d.index for d in self.documents if d.holds}
        for index, identities in self.unsigned.items():
            before = self.acts.before[index]
            if index not in places:
                self.not_covered.append(f"{index}: not a place of signed records")
                continue
            if len(identities) <= before:
                self.not_covered.append(f"{index}: {len(identities)} documents from before")
                continue
            for identity in identities if before == 0 else [f"{len(identities) - before} of {len(identities)}"]:
                self.find("UNSIGNED", index=index, id=identity)

    def _judge_mappings(self) -> None:
        """Runtime fields with a script or of type lookup, and field aliases, that stand in the way of a signed path."""
        for index, mapping in self.mappings.items():
            paths = set()
            for document in self.documents:
                if document.index == index and document.holds:
                    paths |= signed_paths(document.body)
            for name in shadowing(mapping):
                if name in paths or name == "logseal" or name.startswith("logseal."):
                    self.find("VIEW-DRIFT", index=index, detail=f"the mapping shadows {name}")

    # -- chains --------------------------------------------------------------------------------------------------------

    def _judge_chains(self) -> None:
        for chain in self.origin_of:
            held = self.held.get(chain, {})
            seals = self.log.seals_of(chain)
            if not seals and not held and not self.named.get(chain):
                # A chain that never signed anything leaves nothing either: a log that is whole proves that it was so.
                if (self.public or chain in self.keys) and not self.log.is_whole(self.origin_of[chain]):
                    self.find("MISSING", chain=chain, detail="nothing is left of this chain")
                continue
            if chain in self.keys or self.public:
                self._judge_gaps(chain, held, seals)
                self._judge_links(chain, held)

    def _judge_gaps(self, chain: bytes, held: dict[int, Document], seals: list[lsp1.Seal]) -> None:
        missing = []
        for seal in seals:
            absent = [seq for seq in seal.seqs if seq not in held and seq not in self.named[chain]]
            young = seal.closed <= self.now < seal.closed + self.grace_ms
            for seq in absent:
                if self.acts.retired(chain, seq):
                    self.counts["RETIRED-OK"] += 1
                elif self.acts.discarded(chain, seq):
                    continue
                else:
                    missing.append((seq, "PENDING" if young else "MISSING", seal.epoch))
            self._judge_root(chain, seal, held)
            if seal.reason == "recovery":
                self.find("UNCLEAN", chain=chain, epoch=seal.epoch)
            if seal.closed > self.now:
                self.find("CLOCK", chain=chain, epoch=seal.epoch, detail="closed later than now")
        for first, last, verdict, epoch in runs(missing):
            self.find(verdict, chain=chain, epoch=epoch, seq=first, last=last, size=last - first + 1)

    def _judge_root(self, chain: bytes, seal: lsp1.Seal, held: dict[int, Document]) -> None:
        """A seal and its records: count, first, root, last tag. Where a record is missing nothing can be said, and nothing is."""
        suite = lsp1.SUITES[seal.suite]
        mine = {s: d for s, d in held.items() if d.field.header.epoch == seal.epoch}
        outside = [s for s in mine if s not in seal.seqs or mine[s].field.header.index != s - seal.first]
        for seq in outside:
            self.report(mine[seq], "EQUIVOCATION", "the seal of its epoch has no such record")
        leaves = {s - seal.first: lsp1.leaf(suite, d.leaf_entry) for s, d in mine.items() if s in seal.seqs}
        nodes = self.acts.retired_nodes(chain, seal)
        last = mine.get(seal.first + seal.count - 1)
        if last is not None and last.field.tag != seal.prev:
            self.find("EQUIVOCATION", chain=chain, epoch=seal.epoch, detail="the seal's prev is not the tag of its last record")
        root = lsp1.root_with_subtrees(suite, seal.count, leaves, nodes)
        if root is not None and root != seal.root and not self.public:
            self.find("EQUIVOCATION", chain=chain, epoch=seal.epoch, detail="the seal's root is not that of its records")

    def _judge_links(self, chain: bytes, held: dict[int, Document]) -> None:
        for seq in sorted(held):
            header = held[seq].field.header
            before = held.get(seq - 1)
            if header.index == 0:
                seal = self.log.seals.get((chain, header.epoch - 1))
                expected = bytes(16) if header.epoch == 0 else seal.mac[:16] if seal else None
                ascends = before is None or before.field.header.epoch < header.epoch
            else:
                expected = before.field.tag if before else None
                ascends = before is None or (before.field.header.epoch, before.field.header.index + 1) == (header.epoch, header.index)
            if not ascends or (expected is not None and expected != header.prev):
                self.report(held[seq], "REORDERED", "does not follow the record before it")
        after = [s for s in self.log.seals_of(chain) if s.reason == "rotate"]
        for seal in after:
            if any(d.field.header.epoch > seal.epoch for d in held.values()):
                self.find("EQUIVOCATION", chain=chain, epoch=seal.epoch, detail="records after a rotate seal")

    # -- reporting -----------------------------------------------------------------------------------------------------

    def report(self, document: Document, verdict: str = "", detail: str = "") -> None:
        header = document.field.header
        verdict = verdict or document.verdict
        if verdict in GOOD or verdict == "PENDING":
            if header.type == 0:
                self.counts[verdict] += 1
            return
        where = dict(epoch=header.epoch, seq=header.seq, dest=header.dest, index=document.index, id=document.id)
        self.find(verdict, chain=header.chain, record_index=header.index, detail=detail or document.detail, **where)

    def find(self, verdict: str, *, chain=None, epoch=None, seq=None, last=None, dest=None, index=None, id=None, detail="", **more) -> None:
        if chain is not None and seq is not None and self.acts.acknowledged(chain, seq, last, verdict):
            verdict = f"ACKNOWLEDGED({verdict})"
        finding = {"type": "finding", "v": 1, "verdict": verdict}
        if chain is not None:
            finding["chain"] = lsp1.base64url(chain)
        found = {"_index": index, "_id": id} if index is not None and id is not None else {"_index": index} if index else None
        entries = {"epoch": epoch, "index": more.get("record_index"), "seq": seq, "last": last, "dest": dest, "found": found, "detail": detail}
        finding |= {name: value for name, value in entries.items() if value not in (None, "")}
        self.findings.append(finding)
        self.counts[verdict] += more.get("size", 1)

    def _summary(self) -> dict:
        found = set(self.counts)
        exit_code = 1 if found & TAMPERING else 2 if found & CANNOT_SAY else 0
        worst = next((f["verdict"] for group in (TAMPERING, CANNOT_SAY) for f in self.findings if f["verdict"] in group), "OK")
        self.counts["UNANCHORED"] = 1
        data = len({d.place for d in self.documents if d.field.header.type == 0})
        chains = {d.field.header.chain for d in self.documents if d.holds} | {s.chain for s in self.log.seals.values()}
        summary = {"type": "summary", "v": 1, "verdict": worst, "exit": exit_code, "records": data, "chains": len(chains)}
        return summary | {"epochs": len(self.log.seals), "counts": dict(sorted(self.counts.items())), "notCovered": self.not_covered}


def control_kind(document: Document) -> tuple[str, dict]:
    """Kind and body of a control record; ('', {}) where the content cannot be read."""
    content = content_of(document.source, document.field)
    try:
        record = plain(read_json(content.decode("utf-8"))) if content else {}
    except ValueError:
        return "", {}
    kinds = [name for name in record if name != "operator"] if isinstance(record, dict) else []
    return (kinds[0], record[kinds[0]]) if len(kinds) == 1 and isinstance(record[kinds[0]], dict) else ("", {})


def runs(missing: list[tuple[int, str, int]]):
    """(first, last, verdict, epoch of the first) of each run of seqs with one verdict."""
    start = previous = None
    for entry in sorted(missing):
        if previous is not None and (entry[0], entry[1]) == (previous[0] + 1, previous[1]):
            previous = entry
            continue
        if start is not None:
            yield start[0], previous[0], start[1], start[2]
        start = previous = entry
    if start is not None:
        yield start[0], previous[0], start[1], start[2]


def signed_paths(value: object, path: str = "") -> set[str]:
    if isinstance(value, list):
        return set().union(*(signed_paths(member, path) for member in value))
    if not isinstance(value, Members):
        return {path}
    return {path}.union(*(signed_paths(member, f"{path}.{name}" if path else name) for name, member in value.pairs))


def is_synthetic(mapping: object) -> bool:
    source = mapping.get("_source") if isinstance(mapping, Members) else None
    return isinstance(source, Members) and source.get("mode") == "synthetic"


def shadowing(mapping: object):
    mapping = plain(mapping) if isinstance(mapping, Members) else {}
    for name, field in (mapping.get("runtime") or {}).items():
        if "script" in field or field.get("type") == "lookup":
            yield name

    def aliases(properties: dict, path: str):
        for name, field in properties.items():
            if field.get("type") == "alias":
                yield path + name
            yield from aliases(field.get("properties") or {}, f"{path}{name}.")

    yield from aliases(mapping.get("properties") or {}, "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export")
    parser.add_argument("--trust", action="append", required=True)
    parser.add_argument("--keys")
    parser.add_argument("--public", action="store_true")
    parser.add_argument("--operator-key", action="append", default=[], help="SPKI, PEM file or base64 text")
    parser.add_argument("--grace", type=float, default=60)
    options = parser.parse_args()
    trusts = [json.load(open(path, encoding="utf-8")) for path in options.trust]
    secrets = json.load(open(options.keys, encoding="utf-8")) if options.keys else {}
    operators = [read_spki(text) for text in options.operator_key]
    now = int(time.time() * 1000)
    verifier = Verifier(trusts, secrets, options.public, operators, int(options.grace * 1000), now)
    with sys.stdin.buffer if options.export == "-" else open(options.export, "rb") as lines:
        verifier.read(lines)
    if not verifier.documents and not verifier.system:
        print("nothing to verify", file=sys.stderr)
        return 3
    summary = verifier.judge()
    for finding in verifier.findings:
        print(json.dumps(finding))
    print(json.dumps(summary))
    return summary["exit"]


def read_spki(text: str) -> bytes:
    """DER of a public key, from a PEM file or from base64."""
    if text.endswith("=") or text.startswith("MCow"):
        return lsp1.from_base64(text) or b""
    lines = open(text, encoding="ascii").read().splitlines()
    return lsp1.from_base64("".join(line for line in lines if not line.startswith("-"))) or b""


if __name__ == "__main__":
    sys.exit(main())

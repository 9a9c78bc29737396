#!/usr/bin/env python3
"""What somebody could do to an export: each tampering as a name and the lines it leaves.

    tamperings.py EXPORT.ndjson OUT_DIR [--keys KEYS.json] [--only NAME …]     writes OUT_DIR/<name>.ndjson

Owns nothing of the judgement: which verdict each one must get is for verifiers to say. `--keys` adds what only an auditor could forge.
"""
import argparse
import base64
import json
import os
import re
import sys

import lsp1
from document import content_of, read_signature_field, spans_of, value_end


class Export:
    def __init__(self, lines: list[str]):
        self.lines = lines
        hits = [json.loads(line) for line in lines]
        self.hits = hits
        self.data = [i for i, h in enumerate(hits) if isinstance(h.get("_source"), dict) and "logseal" in h["_source"]
                     and h["_index"] not in ("logseal-control", "logseal-rejects")]  # fmt: skip
        self.data.sort(key=lambda i: (hits[i]["_source"]["logseal"]["chain"], hits[i]["_source"]["logseal"]["seq"]))
        self.of = lambda index: [i for i, h in enumerate(hits) if h["_index"] == index and "_source" in h]
        self.seals, self.checkpoints = self.of("logseal-seals"), self.of("logseal-checkpoints")
        self.control, self.rejects = self.of("logseal-control"), self.of("logseal-rejects")
        self.seals.sort(key=lambda i: hits[i]["_source"]["entry"])
        self.checkpoints.sort(key=lambda i: int(hits[i]["_id"].split("-")[-1]))

    def without(self, *gone: int) -> list[str]:
        return [line for i, line in enumerate(self.lines) if i not in gone]

    def with_line(self, at: int, line: str) -> list[str]:
        return [*self.lines[:at], line, *self.lines[at + 1:]]

    def field(self, i: int, member: str, change) -> list[str]:
        """The text of one member's value in the signature field, changed."""
        start, end = self.span(i, member)
        line = self.lines[i]
        return self.with_line(i, line[:start] + change(line[start:end]) + line[end:])

    def span(self, i: int, member: str) -> tuple[int, int]:
        line = self.lines[i]
        source = spans_of(line)["_source"]
        field = spans_of(line[slice(*source)])["logseal"]
        value = spans_of(line[source[0] + field[0]:source[0] + field[1]])[member]
        return source[0] + field[0] + value[0], source[0] + field[0] + value[1]

    def open(self, i: int) -> tuple[str, int]:
        """Where the signature field's text begins and the line."""
        line = self.lines[i]
        source = spans_of(line)["_source"]
        return line, source[0] + spans_of(line[slice(*source)])["logseal"][0]


def flip(value: str) -> str:
    """Another character in the middle of a quoted text."""
    at = len(value) // 2
    return value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1:]


def spare(value: str) -> str:
    """Spare bits of the last base64url character set: the same bytes, another spelling."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return value[:-2] + alphabet[alphabet.index(value[-2]) | 1] + value[-1]


def tamperings(export: Export):
    first, middle, last = export.data[0], export.data[len(export.data) // 2], export.data[-1]
    rich = next((i for i in export.data if "hash" in export.hits[i]["_source"]["logseal"]), middle)
    raws = [i for i in export.data if "raw" in export.hits[i]["_source"]["logseal"]]
    plains = [i for i in export.data if "raw" not in export.hits[i]["_source"]["logseal"]]
    yield "nothing", export.lines
    yield "order-of-lines", list(reversed(export.lines))

    # records
    for name in ("tag", "prev", "salt", "dest", "hash"):
        if name in export.hits[rich]["_source"]["logseal"]:
            yield f"flip-{name}", export.field(rich, name, flip)
    for name in ("seq", "time", "epoch", "index"):
        yield f"change-{name}", export.field(rich, name, lambda v: str(int(v) + 1))
    yield "change-suite", export.field(rich, "suite", lambda v: str(int(v) % 4 + 1))
    yield "suite-9", export.field(rich, "suite", lambda v: "9")
    yield "suite-32", export.field(rich, "suite", lambda v: "32")
    yield "v-2", export.field(rich, "v", lambda v: "2")
    yield "type-1", export.field(rich, "suite", lambda v: f'{v},"type":1')
    yield "type-7", export.field(rich, "suite", lambda v: f'{v},"type":7')
    yield "type-256", export.field(rich, "suite", lambda v: f'{v},"type":256')
    yield "flags-2", export.field(rich, "suite", lambda v: f'{v},"flags":2')
    yield "chain-of-nobody", export.field(rich, "chain", lambda v: '"AAAAAAAAAAAAAAAAAAAAAA"')
    for name, i in (("first", first), ("middle", middle), ("last", last)):
        yield f"delete-{name}", export.without(i)
    yield "delete-run", export.without(*export.data[2:5])
    yield "delete-all-data", export.without(*export.data)
    yield "copy-other-id", [*export.lines, export.lines[middle].replace(f'"_id":{quoted(export, middle)}', '"_id":"another"', 1)]
    yield "copy-same", [*export.lines, export.lines[middle]]
    yield "copy-other-index", [*export.lines, re.sub(r'"_index":"[^"]*"', '"_index":"elsewhere"', export.lines[middle], count=1)]
    yield "move-index", export.with_line(middle, re.sub(r'"_index":"[^"]*"', '"_index":"elsewhere"', export.lines[middle], count=1))
    yield "move-to-rejects", export.with_line(middle, re.sub(r'"_index":"[^"]*"', '"_index":"logseal-rejects"', export.lines[middle], count=1))
    yield "move-id", export.with_line(middle, export.lines[middle].replace(f'"_id":{quoted(export, middle)}', '"_id":"another"', 1))
    yield "unsigned-added", [*export.lines, re.sub(r'"_id":.*', '"_id":"u1","_source":{"a":1}}', export.lines[middle])]
    yield "unsigned-elsewhere", [*export.lines, '{"_index":"no-place","_id":"u1","_source":{"a":1}}']
    yield "unsigned-in-control", [*export.lines, '{"_index":"logseal-control","_id":"u1","_source":{"a":1}}']
    yield "unsigned-in-rejects", [*export.lines, '{"_index":"logseal-rejects","_id":"u1","_source":{"a":1}}']
    line, at = export.open(middle)
    start = line.index('"logseal"')
    end = value_end(line, at)
    yield "field-removed", export.with_line(middle, line[:start] + line[end:].removeprefix(","))
    yield "field-renamed", export.with_line(middle, line.replace('"logseal":', '"logsealed":', 1))
    yield "field-null", export.with_line(middle, line[:at] + "null" + line[end:])
    yield "field-text", export.with_line(middle, line[:at] + '"x"' + line[end:])
    yield "field-array", export.with_line(middle, line[:at] + "[" + line[at:end] + "]" + line[end:])
    yield "field-twice", export.with_line(middle, line[:end] + ',"logseal":' + line[at:end] + line[end:])
    yield "field-name-escaped", export.with_line(middle, line.replace('"logseal":', '"l\\u006fgseal":', 1))
    tail = line[end:].removeprefix(",").removesuffix("}}")
    if tail.strip():
        yield "field-last", export.with_line(middle, line[:start] + tail + "," + line[start:end] + "}}")
    if len(export.data) > 3:
        a, b = export.data[1], export.data[2]
        (x, p), (y, q) = export.open(a), export.open(b)
        yield "contents-exchanged", with_two(export, a, x[:value_end(x, p)] + y[value_end(y, q):], b, y[:value_end(y, q)] + x[value_end(x, p):])
        yield "fields-exchanged", with_two(export, a, x[:p] + y[q:value_end(y, q)] + x[value_end(x, p):], b, y[:q] + x[p:value_end(x, p)] + y[value_end(y, q):])
        yield "documents-exchanged", with_two(export, a, head(x) + source(y), b, head(y) + source(x))
    for name, some in (("raw", raws), ("plain", plains)):
        if some:
            i = next((i for i in some if len(export.hits[i]["_source"]) > 1), some[0])
            line, at = export.open(i)
            end = value_end(line, at)
            yield f"{name}-member-added", export.with_line(i, line[:-2] + ',"added":1}}')
            yield f"{name}-blank-at-end", export.with_line(i, line[:-2] + " }}")
            yield f"{name}-blank-after-field", export.with_line(i, line[:end + 1] + " " + line[end + 1:])
            yield f"{name}-blank-before-comma", export.with_line(i, line[:end] + " " + line[end:])
            yield f"{name}-blank-before-field", export.with_line(i, line.replace('"logseal":', ' "logseal":', 1))
            yield f"{name}-blank-before-value", export.with_line(i, line[:at] + " " + line[at:])
            yield f"{name}-blank-within-field", export.with_line(i, line[:at + 1] + " " + line[at + 1:])
            yield f"{name}-blank-before-colon", export.with_line(i, line.replace('"logseal":', '"logseal" :', 1))
            yield f"{name}-timestamp-added", export.with_line(i, line[:-2] + ',"@timestamp":"2026-01-01T00:00:00Z"}}')
    if raws:
        i = raws[0]
        yield "raw-changed", export.field(i, "raw", lambda v: v.replace("{", "{ ", 1))
        yield "raw-spelled-otherwise", export.field(i, "raw", lambda v: v.replace("{", "\\u007b", 1))
        yield "raw-null", export.field(i, "raw", lambda v: "null")
        yield "raw-empty", export.field(i, "raw", lambda v: '""')
        yield "raw-lone-surrogate", export.field(i, "raw", lambda v: '"\\ud800"')
        start, end = export.span(i, "raw")
        yield "raw-removed", export.with_line(i, re.sub(r',$', "", export.lines[i][:start].removesuffix('"raw":')) + export.lines[i][end:])
    if plains:
        yield "raw-put-in", export.field(plains[0], "salt", lambda v: v + ',"raw":"{}"')
    start, end = export.span(rich, "salt")
    line = export.lines[rich]
    yield "salt-removed", export.with_line(rich, line[:start].removesuffix(',"salt":') + line[end:])
    if "hash" in export.hits[rich]["_source"]["logseal"]:
        start, end = export.span(rich, "hash")
        yield "hash-removed", export.with_line(rich, line[:start].removesuffix('"hash":') + line[end + 1:])
        visible = value_end(*export.open(rich))
        erased = line[:visible] + "}}"
        erased = re.sub(r',"salt":"[^"]*"(,"raw":"(\\.|[^"\\])*")?', "", erased)
        yield "erased-by-nobody", export.with_line(rich, erased)

    # spellings
    for name, spell in SPELLINGS.items():
        member = name.split("-")[0]
        if member in export.hits[rich]["_source"]["logseal"]:
            yield f"spelling-{name}", export.field(rich, member, spell)
    line, at = export.open(rich)
    yield "unknown-member", export.with_line(rich, line[:at + 1] + '"more":1,' + line[at + 1:])
    yield "member-twice", export.with_line(rich, line[:at + 1] + '"v":1,' + line[at + 1:])
    yield "digests-garbage", export.field(rich, "salt", lambda v: v + ',"digests":{"crc32":"zz","more":[1,{"a":null}]}')
    yield "digests-text", export.field(rich, "salt", lambda v: v + ',"digests":"x"')
    yield "digests-crc32", export.field(rich, "salt", lambda v: v + ',"digests":{"crc32":"00000000"}')
    yield "id-without-flag", export.field(rich, "dest", lambda v: v + ',"id":"x"')
    yield "type-0", export.field(rich, "suite", lambda v: v + ',"type":0')
    yield "flags-0", export.field(rich, "suite", lambda v: v + ',"flags":0')
    yield "members-reversed", export.with_line(rich, reverse_members(line, at))
    given = next((i for i in export.data if export.hits[i]["_source"]["logseal"].get("flags") == 1), None)
    if given is not None:
        yield "given-id-changed", export.field(given, "id", lambda v: flip(v) if len(v) > 3 else '"zz"')
        yield "given-id-spelled-otherwise", export.field(given, "id", lambda v: '"' + "".join(f"\\u{ord(c):04x}" for c in json.loads(v) if ord(c) < 65536) + '"')

    # seals, log, checkpoints
    for name, i in (("first", export.seals[0]), ("middle", export.seals[len(export.seals) // 2]), ("last", export.seals[-1])):
        yield f"delete-seal-{name}", export.without(i)
    yield "delete-all-seals", export.without(*export.seals)
    yield "delete-last-two-seals", export.without(*export.seals[-2:])
    yield "seal-copied", [*export.lines, export.lines[export.seals[0]].replace('"_id":"', '"_id":"x', 1)]
    for name, old, new in (
        ("count", r"count (\d+)", lambda m: f"count {int(m[1]) + 1}"), ("root", r"root (.)", lambda m: f"root {'A' if m[1] != 'A' else 'B'}"),
        ("closed", r"closed (\d+)", lambda m: f"closed {int(m[1]) + 1}"), ("reason", r"reason \w+", lambda m: "reason idle"),
        ("mac", r"mac (.)", lambda m: f"mac {'A' if m[1] != 'A' else 'B'}"), ("origin", r"origin ", lambda m: "origin x"),
        ("chain", r"chain (.)", lambda m: f"chain {'0' if m[1] != '0' else '1'}"), ("chain-upper", r"chain (\w+)", lambda m: f"chain {m[1].upper()}"),
        ("leading-zero", r"epoch ", lambda m: "epoch 0"), ("reason-unknown", r"reason \w+", lambda m: "reason whim"), ("suite", r"suite 1", lambda m: "suite 2"),
        ("line-end", r"\\nmac", lambda m: "\\r\\nmac"), ("suite-unknown", r"suite \d", lambda m: "suite 9"),
    ):  # fmt: skip
        i = export.seals[len(export.seals) // 2]
        changed = re.sub(old, new, export.lines[i], count=1)
        if changed != export.lines[i]:
            yield f"seal-{name}", export.with_line(i, changed)
    i = export.seals[0]
    yield "seal-entry-wrong", export.with_line(i, re.sub(r'"entry": ?\d+', '"entry":77', export.lines[i]))
    yield "seal-entry-missing", export.with_line(i, re.sub(r',\s*"entry": ?\d+', "", export.lines[i]))
    yield "seal-id-wrong", export.with_line(i, export.lines[i].replace('"_id":"', '"_id":"x', 1))
    yield "all-checkpoints-deleted", export.without(*export.checkpoints)
    yield "newest-checkpoint-deleted", export.without(export.checkpoints[-1])
    c = export.checkpoints[-1]
    yield "checkpoint-size", export.with_line(c, re.sub(r"\\n(\d+)\\n", lambda m: f"\\n{int(m[1]) + 1}\\n", export.lines[c], count=1))
    yield "checkpoint-signature", export.with_line(c, re.sub(r"(.)(.{6})\\n\"", lambda m: ("A" if m[1] != "A" else "B") + m[2] + '\\n"', export.lines[c]))
    yield "checkpoint-origin", export.with_line(c, export.lines[c].replace('"checkpoint":"', '"checkpoint":"x').replace('"checkpoint": "', '"checkpoint": "x'))
    yield "checkpoint-garbage", export.with_line(c, re.sub(r'"checkpoint": ?"[^"]*"', '"checkpoint":"x"', export.lines[c]))
    yield "checkpoint-null", export.with_line(c, re.sub(r'"checkpoint": ?"[^"]*"', '"checkpoint":null', export.lines[c]))
    yield "control-record-deleted", export.without(export.control[len(export.control) // 2])
    yield "control-last-deleted", export.without(export.control[-1])
    yield "control-changed", export.with_line(export.control[0], re.sub(r'"certificates":\[', '"certificates":["x",', export.lines[export.control[0]]))
    yield "all-control-deleted", export.without(*export.control)
    if export.rejects:
        r = export.rejects[0]
        yield "reject-deleted", export.without(r)
        yield "reject-member-added", export.with_line(r, export.lines[r][:-2] + ',"message":"hello"}}')
        yield "reject-reason-changed", export.with_line(r, re.sub(r'"reason": ?"', '"reason":"x', export.lines[r], count=1))
        yield "reject-id-changed", export.with_line(r, export.lines[r].replace('"_id":"', '"_id":"x', 1))
        dest = export.hits[r]["_source"]["logseal"]["dest"]
        yield "reject-copied-to-dest", [*export.lines, re.sub(r'"_index":"[^"]*"', f'"_index":"{dest}"', export.lines[r], count=1)]
    # the tail: everything after some seal, checkpoints included; and an old state
    keep = export.hits[export.seals[len(export.seals) // 2]]["_source"]["entry"]
    gone = [i for i in export.seals if export.hits[i]["_source"]["entry"] > keep]
    sealed = {(s[0], int(s[1])) for s in (export.hits[i]["_id"].rsplit("-", 1) for i in export.seals if i not in gone)}
    young = [i for i in export.data + export.control + export.rejects
             if (f := export.hits[i]["_source"].get("logseal", {})) and (f.get("chain"), f.get("epoch")) not in sealed]  # fmt: skip
    late = [i for i in export.checkpoints if int(export.hits[i]["_id"].split("-")[-1]) > keep + 1]
    yield "tail-cut-but-checkpoint", export.without(*gone, *young)
    yield "tail-cut-records-left", export.without(*gone, *late)
    yield "tail-cut-all", export.without(*gone, *young, *late)


SPELLINGS = {
    "seq-leading-zero": lambda v: "0" + v,
    "seq-exponent": lambda v: v + "e0",
    "seq-fraction": lambda v: v + ".0",
    "seq-minus": lambda v: "-" + v,
    "seq-text": lambda v: f'"{v}"',
    "seq-65-bits": lambda v: "18446744073709551616",
    "seq-64-bits": lambda v: "18446744073709551615",
    "seq-2-to-53": lambda v: "9007199254740993",
    "time-64-bits": lambda v: "18446744073709551615",
    "epoch-33-bits": lambda v: "4294967296",
    "index-33-bits": lambda v: "4294967296",
    "epoch-32-bits": lambda v: "4294967295",
    "suite-9-bits": lambda v: "257",
    "v-fraction": lambda v: "1.0",
    "v-true": lambda v: "true",
    "tag-padding": lambda v: v[:-1] + '=="',
    "tag-spare-bits": spare,
    "tag-hex": lambda v: '"000102030405060708090A0B0C0D0E0F"',
    "tag-standard": lambda v: v[:3] + "+" + v[4:],
    "tag-short": lambda v: v[:-2] + '"',
    "tag-blank": lambda v: v[:-1] + ' "',
    "tag-null": lambda v: "null",
    "tag-escaped": lambda v: '"' + f"\\u{ord(v[1]):04x}" + v[2:],
    "hash-spare-bits": spare,
    "salt-spare-bits": spare,
    "chain-spare-bits": spare,
    "prev-spare-bits": spare,
    "chain-hex": lambda v: '"67c4d5b23059e35966050fde843d4daf"',
    "dest-number": lambda v: "1",
    "dest-escaped": lambda v: '"' + f"\\u{ord(v[1]):04x}" + v[2:],
    "dest-lone-surrogate": lambda v: '"\\ud800"',
    "dest-empty": lambda v: '""',
    "dest-long": lambda v: '"' + "d" * 70000 + '"',
}


def quoted(export: Export, i: int) -> str:
    return re.search(r'"_id":("(\\.|[^"\\])*")', export.lines[i])[1]


def head(line: str) -> str:
    return line[: spans_of(line)["_source"][0]]


def source(line: str) -> str:
    return line[spans_of(line)["_source"][0]:]


def with_two(export: Export, a: int, x: str, b: int, y: str) -> list[str]:
    return [x if i == a else y if i == b else line for i, line in enumerate(export.lines)]


def reverse_members(line: str, at: int) -> str:
    end = value_end(line, at)
    field = line[at:end]
    parts = [f'"{name}":{field[slice(*span)]}' for name, span in spans_of(field).items()]
    return line[:at] + "{" + ",".join(reversed(parts)) + "}" + line[end:]


# -- what only a holder of the auditor's key can do --------------------------------------------------------------------


def forgeries(export: Export, secrets: dict[str, str]):
    def resigned(i: int, **changes) -> str:
        """The record with other header members and a valid tag (hash taken out, salt and content kept)."""
        line, at = export.open(i)
        end = value_end(line, at)
        field = read_signature_field(line[at:end])
        header = field.header
        suite = lsp1.SUITES[header.suite]
        commitment = lsp1.content_hash(suite, field.salt, content_of(line[slice(*spans_of(line)["_source"])], field))
        header = lsp1.Header(**{**header.__dict__, **changes})
        keys = lsp1.KeyTree(suite, {(0, 0): lsp1.from_base64url(secrets[lsp1.base64url(header.chain)], 32)})
        new_tag = lsp1.tag(suite, keys.mac_key(header.epoch), header.encode(commitment))
        out = json.loads(line[at:end])
        out.pop("hash", None)
        out |= {"tag": lsp1.base64url(new_tag), "prev": lsp1.base64url(header.prev)} | {n: changes[n] for n in changes if n != "prev"}
        if out.get("flags") != 1:
            out.pop("id", None)
        if out.get("type") == 0:
            out.pop("type")
        return line[:at] + json.dumps(out, ensure_ascii=False, separators=(",", ":")) + line[end:]

    plains = export.data
    last, middle = plains[-1], plains[len(plains) // 2]
    time = export.hits[middle]["_source"]["logseal"]["time"]
    yield "key-other-time-same-place", [*export.lines, resigned(middle, time=time + 1)]
    yield "key-other-time-instead", export.with_line(middle, resigned(middle, time=time + 1))
    yield "key-time-back", export.with_line(middle, resigned(middle, time=time - 10_000))
    yield "key-prev", export.with_line(middle, resigned(middle, prev=bytes(16)))
    field = export.hits[last]["_source"]["logseal"]
    yield "key-more-than-sealed", [*export.lines, resigned(last, index=field["index"] + 1, seq=field["seq"] + 1, prev=lsp1.from_base64url(field["tag"], 16))]
    yield "key-seq-far", export.with_line(last, resigned(last, seq=field["seq"] + 1000))
    yield "key-index-far", export.with_line(last, resigned(last, index=field["index"] + 5))
    yield "key-epoch-later", [*export.lines, resigned(last, epoch=field["epoch"] + 1, index=0, seq=field["seq"] + 1)]
    yield "key-type", export.with_line(middle, resigned(middle, type=1).replace('"suite":1,', '"suite":1,"type":1,', 1))
    yield "key-dest", export.with_line(middle, resigned(middle, dest="elsewhere"))

    def resealed(i: int, **changes) -> str:
        text = json.loads(export.lines[i])["_source"]["seal"]
        seal = lsp1.decode_seal(text)
        for name, value in changes.items():
            text = re.sub(rf"^{name} .*$", f"{name} {value}", text, flags=re.M)
        lines = text[: text.rindex("mac ")]
        keys = lsp1.KeyTree(lsp1.SUITES[seal.suite], {(0, 0): lsp1.from_base64url(secrets[lsp1.base64url(seal.chain)], 32)})
        epoch = int(changes.get("epoch", seal.epoch))
        mac = keys.suite.m(keys.mac_key(epoch), b"LSP1/seal\0", lines.encode())
        hit = json.loads(export.lines[i])
        hit["_source"]["seal"] = lines + "mac " + base64.b64encode(mac).decode() + "\n"
        return json.dumps(hit, ensure_ascii=False, separators=(",", ":"))

    i = export.seals[len(export.seals) // 2]
    seal = lsp1.decode_seal(export.hits[i]["_source"]["seal"])
    yield "key-seal-root", export.with_line(i, resealed(i, root="A" * 43 + "="))
    yield "key-seal-count", export.with_line(i, resealed(i, count=seal.count + 1))
    yield "key-seal-closed", export.with_line(i, resealed(i, closed=seal.closed + 1))
    yield "key-seal-second", [*export.lines, resealed(i, closed=seal.closed + 1)]
    yield "key-seal-first", export.with_line(i, resealed(i, first=seal.first + 1))
    yield "key-seal-future", export.with_line(i, resealed(i, closed=seal.closed + 10**12))
    yield "key-seal-rotate", export.with_line(export.seals[0], resealed(export.seals[0], reason="rotate"))
    yield "key-seal-prev", export.with_line(i, resealed(i, prev="A" * 22 + "=="))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export")
    parser.add_argument("out")
    parser.add_argument("--keys")
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    export = Export(open(options.export, encoding="utf-8", newline="\n").read().rstrip("\n").split("\n"))
    every = list(tamperings(export))
    if options.keys:
        every += forgeries(export, json.load(open(options.keys, encoding="utf-8")))
    for name, lines in every:
        if options.only is None or name in options.only:
            with open(os.path.join(options.out, f"{name}.ndjson"), "w", encoding="utf-8", newline="\n") as file:
                file.write("\n".join(lines) + "\n")
            print(name)


if __name__ == "__main__":
    sys.exit(main())

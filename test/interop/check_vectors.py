#!/usr/bin/env python3
"""Holds lsp1.py, document.py and control.py to vectors.json: `check_vectors.py VECTORS.json`. Prints what differs; exit 1 if anything does.

The log of the vectors is for verifier.py: `--log DIR` writes it there as export, trust file and keys.
"""
import argparse
import json
import os
import sys

import lsp1
from control import canonical
from document import content_of, read_json, read_signature_field, same

failures: list[str] = []
checked = 0


def equal(what: str, got: object, expected: object) -> None:
    global checked
    checked += 1
    if got != expected:
        failures.append(f"{what}: {got!r} is not {expected!r}")


def check_suite(vector: dict) -> None:
    suite, name = lsp1.SUITES[vector["suite"]], vector["hash"]
    secret = bytes.fromhex(vector["S_chain"])
    equal(f"{name} block", suite.block, vector["blockSize"])
    equal(f"{name} chain", lsp1.chain_id(suite, secret).hex(), vector["chain"])
    tree = lsp1.KeyTree(suite, {(0, 0): secret})
    for epoch, key in vector["K"].items():
        equal(f"{name} K_{epoch}", tree.mac_key(int(epoch)).hex(), key)
    equal(f"{name} empty root", lsp1.root_of(suite, []).hex(), vector["emptyRoot"])
    record = vector["record"]
    field = read_signature_field(vector["field"])
    equal(f"{name} field", field.raw, record["content"])
    commitment = lsp1.content_hash(suite, bytes.fromhex(record["salt"]), record["content"].encode())
    header = field.header.encode(commitment)
    equal(f"{name} C", commitment.hex(), record["C"])
    equal(f"{name} header", header.hex(), record["header"])
    equal(f"{name} id", field.header.id, record["id"])
    tag = lsp1.tag(suite, tree.mac_key(record["epoch"]), header)
    equal(f"{name} T", tag.hex(), record["T"])
    equal(f"{name} leaf", lsp1.leaf(suite, header, tag).hex(), record["leaf"])


def check_range_key(vectors: dict) -> None:
    nodes = {(n["depth"], n["prefix"]): lsp1.from_base64url(n["key"], 32) for n in vectors["rangeKey"]["file"]["nodes"]}
    suite = lsp1.SUITES[1]
    part, whole = lsp1.KeyTree(suite, nodes), lsp1.KeyTree(suite, {(0, 0): bytes.fromhex(vectors["suites"][0]["S_chain"])})
    for epoch in range(4, 11):
        equal(f"range key, epoch {epoch}", part.mac_key(epoch), whole.mac_key(epoch) if 5 <= epoch <= 9 else None)


def check_log(log: dict) -> None:
    suite = lsp1.SHA256
    leaves = [lsp1.leaf(suite, entry["seal"].encode()) for entry in log["entries"]]
    for entry, leaf in zip(log["entries"], leaves):
        equal("entry", leaf.hex(), entry["leaf"])
        seal = lsp1.decode_seal(entry["seal"])
        secret = lsp1.from_base64url(log["S_chain"][lsp1.base64url(seal.chain)], 32)
        equal("seal's mac", seal.mac_is_right(lsp1.KeyTree(suite, {(0, 0): secret})), True)
    for size, root in enumerate(log["roots"]):
        equal(f"root {size}", lsp1.root_of(suite, leaves[:size]).hex(), root)
    for case in log["inclusion"]:
        equal("inclusion", [h.hex() for h in lsp1.inclusion_proof(suite, leaves[: case["size"]], case["index"])], case["proof"])
    for case in log["consistency"]:
        equal("consistency", [h.hex() for h in lsp1.consistency_proof(suite, leaves[: case["to"]], case["from"])], case["proof"])
    checkpoint = lsp1.open_checkpoint(log["checkpoint"], log["vkey"])
    equal("checkpoint", (checkpoint.size, checkpoint.root.hex()), (len(leaves), log["roots"][-1]))
    spki = lsp1.from_base64(log["operatorSpki"])
    for act in log["operator"]:
        body = json.loads(act["canonical"])
        equal("canonical", canonical(body), act["canonical"])
        message = lsp1.operator_message(log["origin"], act["serial"], canonical(body))
        equal("operator's message", message.hex(), act["message"])
        equal("operator's signature", lsp1.ed25519_verify(spki[12:], message, lsp1.from_base64url(act["sig"], 64)), True)
        equal("operator's signature, other message", lsp1.ed25519_verify(spki[12:], message + b"x", lsp1.from_base64url(act["sig"], 64)), False)


def check_retired(retired: dict) -> None:
    suite, leaves = lsp1.SHA256, [bytes.fromhex(leaf) for leaf in retired["leaves"]]
    for case in retired["cases"]:
        subtrees = lsp1.subtrees_of([tuple(pair) for pair in case["retired"]], len(leaves))
        equal("subtrees", [list(subtree) for subtree in subtrees], case["subtrees"])
        kept = {i: leaf for i, leaf in enumerate(leaves) if not any(a <= i <= b for a, b in case["retired"])}
        nodes = dict(zip(subtrees, map(bytes.fromhex, case["roots"])))
        equal("root with what is left", lsp1.root_with_subtrees(suite, len(leaves), kept, nodes).hex(), retired["root"])


def check_contents(vectors: dict) -> None:
    salt = bytes.fromhex(vectors["accepted"]["salt"])
    field = vectors["suites"][0]["field"]
    without_raw = field[: field.index(',"raw":')] + "}"
    for case in vectors["accepted"]["contents"]:
        content = case["received"].strip(" \t\r\n").encode()
        equal(case["about"], lsp1.content_hash(lsp1.SUITES[1], salt, content).hex(), case["C"])
        spliced = case["spliced"].replace("SIG", without_raw, 1)
        equal(f"{case['about']}: taken out", content_of(spliced, read_signature_field(without_raw)), content)
    for case in vectors["refused"]["contents"]:
        equal(f"refused: {case['reason']}", is_content(bytes.fromhex(case["hex"]) if "hex" in case else case["received"].encode()), False)
    for case in vectors["view"]["pairs"]:
        equal(f"{case['signed']} seen as {case['seen']}", same(read_json(case["signed"]), read_json(case["seen"])), case["equal"])


def is_content(received: bytes) -> bool:
    try:
        names = read_json(received.decode("utf-8")).names()
    except (ValueError, AttributeError):
        return False
    return not any(name == "logseal" or name.startswith("logseal.") for name in names)


def write_log(log: dict, directory: str) -> None:
    for name, text in (("log.ndjson", "".join(d["line"] + "\n" for d in log["documents"])), ("trust.json", json.dumps(log["trust"])),
                       ("keys.json", json.dumps(log["S_chain"])), ("expected.json", json.dumps(log["expected"]))):  # fmt: skip
        with open(os.path.join(directory, name), "w", encoding="utf-8", newline="\n") as file:
            file.write(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("vectors")
    parser.add_argument("--log")
    options = parser.parse_args()
    vectors = json.load(open(options.vectors, encoding="utf-8"))
    for vector in vectors["suites"]:
        check_suite(vector)
    check_range_key(vectors)
    check_log(vectors["log"])
    check_retired(vectors["retired"])
    check_contents(vectors)
    if options.log:
        write_log(vectors["log"], options.log)
    print(*failures, sep="\n", end="\n" if failures else "")
    print(f"{checked} checked, {len(failures)} differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

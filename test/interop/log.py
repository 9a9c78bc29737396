"""The log of seals and its checkpoints (format sections 5, 6, 9).

Owns the verdicts on seals and checkpoints. Assumes that trust was read. Must never take a seal's place in the log for granted: `entry`
is a hint, the root of a signed checkpoint decides.
"""
import lsp1


class Log:
    def __init__(self, verifier):
        self.verifier = verifier
        self.seals: dict[tuple[bytes, int], lsp1.Seal] = {}
        self.entries: list[tuple[int, lsp1.Seal]] = []
        self.doubtful: list[tuple[str, str, str, str, lsp1.Seal | None]] = []
        for index, identity, body in verifier.system:
            if index == "logseal-seals":
                self._read_seal(index, identity, body)
        self.entries.sort(key=lambda entry: entry[0])

    def _read_seal(self, index: str, identity: str, body) -> None:
        seal = lsp1.decode_seal(body.get("seal") if hasattr(body, "get") else None)
        verdict, detail = self._verdict_of(seal)
        entry = getattr(body.get("entry"), "text", "") if seal else ""
        if verdict == "":
            known = self.seals.get((seal.chain, seal.epoch))
            if known is None:
                self.seals[seal.chain, seal.epoch] = seal
                self.entries.append((int(entry) if entry.isdigit() else 1 << 64, seal))
                return
            verdict, detail = ("EQUIVOCATION", "two seals of one epoch") if known.text != seal.text else ("DUPLICATED", "")
        self.doubtful.append((verdict, index, identity, detail, seal))

    def _verdict_of(self, seal: lsp1.Seal | None) -> tuple[str, str]:
        verifier = self.verifier
        if seal is None:
            return "MALFORMED", "not a seal"
        if verifier.origin_of.get(seal.chain) != seal.origin:
            return "FOREIGN", "a chain or origin that is not in the trust file"
        if verifier.public:
            return "", ""
        if seal.chain not in verifier.keys:
            return ("BAD-KEY" if seal.chain in verifier.secrets else "UNKNOWN-KEY"), ""
        keys = verifier.keys[seal.chain]
        right = keys.suite.number == seal.suite and seal.mac_is_right(keys)
        return ("", "") if right else ("FORGED", "its mac fails")

    def seals_of(self, chain: bytes) -> list[lsp1.Seal]:
        return sorted((s for s in self.seals.values() if s.chain == chain), key=lambda s: s.epoch)

    def last_epoch(self, chain: bytes) -> int:
        return max((s.epoch for s in self.seals.values() if s.chain == chain), default=-1)

    def epoch_is_lost(self, header: lsp1.Header) -> bool:
        """Whether the seal of an epoch after its chain's last one must be there: a later seal of the instance closed long after."""
        newest = max((s.closed for s in self.seals.values()), default=0)
        return header.time + 10_000 + self.verifier.grace_ms < newest

    def is_whole(self, origin: str) -> bool:
        """Whether a checkpoint that verifies counts no more seals than are here, and there is one."""
        vkeys = [trust["vkey"] for trust in self.verifier.trusts if trust["origin"] == origin]
        notes = [body.get("checkpoint") for index, _, body in self.verifier.system if index == "logseal-checkpoints" and hasattr(body, "get")]
        opened = [lsp1.open_checkpoint(note, vkey) for note in notes for vkey in vkeys]
        sizes = [one.size for one in opened if not isinstance(one, str)]
        return bool(sizes) and max(sizes) <= len([s for s in self.seals.values() if s.origin == origin])

    def judge(self) -> None:
        for verdict, index, identity, detail, seal in self.doubtful:
            place = {"chain": seal.chain, "epoch": seal.epoch} if seal else {}
            self.verifier.find(verdict, index=index, id=identity, detail=detail, **place)
        self._judge_epochs()
        self._judge_checkpoints()

    def _judge_epochs(self) -> None:
        """Every epoch once, first and prev linking, no seal after a rotate seal."""
        for chain in self.verifier.origin_of:
            seals = self.seals_of(chain)
            expected, before = 0, None
            for seal in seals:
                if seal.epoch > expected:
                    self.verifier.find("MISSING-SEAL", chain=chain, epoch=expected, detail=f"to epoch {seal.epoch - 1}")
                elif before and (seal.first != before.first + before.count or before.reason == "rotate"):
                    self.verifier.find("EQUIVOCATION", chain=chain, epoch=seal.epoch, detail="does not follow the seal before it")
                expected, before = seal.epoch + 1, seal
            self._judge_tail(chain, expected)

    def _judge_tail(self, chain: bytes, expected: int) -> None:
        records = self.verifier.held.get(chain, {}).values()
        lost = [d.field.header.epoch for d in records if d.field.header.epoch >= expected and self.epoch_is_lost(d.field.header)]
        if lost:
            self.verifier.find("MISSING-SEAL", chain=chain, epoch=min(lost), detail="records, and no seal")

    def _judge_checkpoints(self) -> None:
        for origin, vkey in [(t["origin"], t["vkey"]) for t in self.verifier.trusts]:
            entries = [seal for _, seal in self.entries if seal.origin == origin]
            checkpoints = self._checkpoints(vkey)
            leaves = self._leaves_in_order(entries, [checkpoint for _, _, checkpoint in checkpoints])
            newest = max((checkpoint.size for _, _, checkpoint in checkpoints), default=0)
            if newest > len(leaves):
                self.verifier.find("TRUNCATED", detail=f"{len(leaves)} seals of {newest}")
                continue
            for index, identity, checkpoint in checkpoints:
                if lsp1.root_of(lsp1.SHA256, leaves[: checkpoint.size]) != checkpoint.root:
                    self.verifier.find("FORK", index=index, id=identity, detail="the log has another root at this size")
                    break

    def _checkpoints(self, vkey: str) -> list[tuple[str, str, lsp1.Checkpoint]]:
        """Those that verify, smallest first; for the others their finding."""
        valid = []
        for index, identity, body in self.verifier.system:
            if index != "logseal-checkpoints":
                continue
            checkpoint = lsp1.open_checkpoint(body.get("checkpoint") if hasattr(body, "get") else None, vkey)
            if isinstance(checkpoint, str):
                self.verifier.find(checkpoint, index=index, id=identity)
            else:
                valid.append((index, identity, checkpoint))
        return sorted(valid, key=lambda one: one[2].size)

    def _leaves_in_order(self, entries: list[lsp1.Seal], checkpoints: list[lsp1.Checkpoint]) -> list[bytes]:
        """`entry` is a hint and the root decides: where the hints lead to another root, the times of closing are tried."""
        orders = entries, sorted(entries, key=lambda seal: (seal.closed, seal.epoch))
        for order in orders:
            leaves = [lsp1.leaf(lsp1.SHA256, seal.text.encode()) for seal in order]
            if any(lsp1.root_of(lsp1.SHA256, leaves[: one.size]) == one.root for one in checkpoints[-1:]):
                self._judge_order(list(order))
                return leaves
        self._judge_order(list(entries))
        return [lsp1.leaf(lsp1.SHA256, seal.text.encode()) for seal in entries]

    def _judge_order(self, entries: list[lsp1.Seal]) -> None:
        last: dict[bytes, int] = {}
        for seal in entries:
            if seal.epoch < last.get(seal.chain, -1):
                self.verifier.find("REORDERED", chain=seal.chain, epoch=seal.epoch, detail="in the log after a later epoch")
            last[seal.chain] = max(seal.epoch, last.get(seal.chain, -1))

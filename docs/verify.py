#!/usr/bin/env python3
"""Verifies Holdpoint's audit log, a receipt, or evidence, without Holdpoint: Python's standard library alone, nothing but docs/audit-log.md to go by.

  python3 verify.py log data/audit KEY checkpoint-file ...      a folder of segments, and checkpoints that were kept elsewhere
  python3 verify.py receipt receipt.json KEY
  python3 verify.py evidence folder KEY                         what `holdpoint audit evidence` made

KEY is a verifier key, name+id+base64, as `holdpoint audit key` prints it. Exit status: 0 it verifies, 1 it does not, 2 wrong usage or input.
"""
import base64, glob, hashlib, json, os, re, sys

# --- Ed25519, RFC 8032, 5.1: verification only
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def recover_x(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def point(data):
    y = int.from_bytes(data, "little")
    x = recover_x(y & (1 << 255) - 1, y >> 255)
    return None if x is None else (x, y & (1 << 255) - 1, 1, x * (y & (1 << 255) - 1) % P)


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, p):
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = add(result, p)
        p, number = add(p, p), number >> 1
    return result


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = point(BASE_Y.to_bytes(32, "little"))


def ed25519_verify(key, message, signature):
    if len(key) != 32 or len(signature) != 64:
        return False
    a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    left, right = times(s, BASE), add(r, times(k, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# --- C2SP signed-note and tlog-checkpoint
class Bad(Exception):
    pass


def verifier_key(text):
    name, key_id, data = text.strip().split("+", 2)
    raw = base64.b64decode(data, validate=True)
    if raw[0] != 1 or hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8] != key_id:
        raise Bad("the key is damaged, or no Ed25519 key")
    return name, bytes.fromhex(key_id), raw[1:]


def checkpoints(text, key):
    """(size, root) of each note in the text; Bad where one is not signed by the key."""
    name, key_id, public = key
    notes = re.findall(r"((?:[^\n]+\n){3,})\n((?:\u2014 [^\n]+\n)+)", text)
    if not notes or re.sub(r"\s", "", "".join(a + b for a, b in notes)) != re.sub(r"\s", "", text):
        raise Bad("there is something else than checkpoints")
    for signed, signatures in notes:
        good = False
        for line in signatures.splitlines():
            signer, data = line[2:].split(" ")
            raw = base64.b64decode(data, validate=True)
            if signer == name and raw[:4] == key_id:
                good = ed25519_verify(public, signed.encode(), raw[4:])
        origin, size, root = signed.split("\n")[:3]
        if not good or origin != name:
            raise Bad(f"the checkpoint of {size} records is not signed by the key")
        yield int(size), base64.b64decode(root, validate=True)


# --- RFC 6962, 2.1
def leaf_hash(line):
    return hashlib.sha256(b"\0" + line).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    def __init__(self):
        self.size, self.whole = 0, []

    def push(self, node, leaves=1):
        """A leaf, or the root of a whole subtree of so many leaves, a power of two that divides the size."""
        number, self.size = self.size // leaves, self.size + leaves
        while number % 2 == 1:
            node, number = node_hash(self.whole.pop(), node), number // 2
        self.whole.append(node)

    def root(self):
        if not self.whole:
            return hashlib.sha256().digest()
        root = self.whole[-1]
        for left in reversed(self.whole[:-1]):
            root = node_hash(left, root)
        return root


def root_from_proof(leaf, index, size, proof):
    """RFC 6962, 2.1.1, from the top down: which side each hash stands on follows from index and size."""
    sides = []
    low, high = 0, size
    while high - low > 1:
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        left = index < middle
        sides.append(left)
        low, high = (low, middle) if left else (middle, high)
    if not 0 <= index < size or len(sides) != len(proof):
        return None
    for left, other in zip(reversed(sides), proof):
        leaf = node_hash(leaf, other) if left else node_hash(other, leaf)
    return leaf


# --- what is asked
def segments(folder):
    """(path, gone): the segments in their order. Of those that retention removed, at the front, the leaf hashes are left."""
    present = sorted(glob.glob(glob.escape(folder) + "/*.jsonl"))
    first = int(present[0][-14:-6]) if present else 1
    gone = [f"{folder}/{number:08}.leaf" for number in range(1, first)]
    return ([(path, True) for path in gone] if all(map(os.path.exists, gone)) else []) + [(path, False) for path in present]


def removal(line):
    """What a record says of a removal by retention: the last segment and record, and the root over all up to there; None: it is another one."""
    if b'"type":"log.segments_removed"' not in line:
        return None
    record = json.loads(line)
    said = record["clear"]
    return record["type"] == "log.segments_removed" and (int(said["segments"]["to"]), said["records"]["to"], said["root"]) or None


def verify_log(folder, key, files):
    given = sorted({one for name in files for one in checkpoints(open(name, encoding="utf-8").read(), key)})
    if not given:
        raise Bad("no checkpoint was given")
    tree, good, wrong, removed, said = Tree(), 0, [], 0, []

    def look():
        nonlocal good
        for size, root in [one for one in given if one[0] == tree.size]:
            if root == tree.root() and not wrong:
                good = size
            elif root != tree.root():
                wrong.append(size)

    def push(leaf):
        tree.push(leaf)
        if tree.size in sizes:
            look()

    sizes = {size for size, _ in given}
    paths = segments(folder)
    root_removed = tree.root()
    for path, gone in paths:
        if gone:
            hashes = open(path, "rb").read()
            for at in range(0, len(hashes), 32):
                push(hashes[at : at + 32])
            removed, root_removed = tree.size, tree.root()
            continue
        with open(path, "rb") as lines:
            for line in lines:
                if not line.endswith(b"\n") and path == paths[-1][0]:
                    print(f"{path} ends in the middle of a record, which is not counted")
                    break
                push(leaf_hash(line[:-1] if line.endswith(b"\n") else line))
                what = removal(line)
                if what:
                    said.append((tree.size, what))
    wrong += [size for size in sizes if size > tree.size]
    if removed:
        last = sum(gone for _, gone in paths)
        by = [at for at, what in said if at <= max(sizes)
              and (what == (last, removed, root_removed.hex()) or wrong and what[:2] == (last, removed) or (what[0] > last and what[1] > removed))]
        if not by:
            print(f"NOT VERIFIED: records 1 to {removed} are gone, and no record that a given checkpoint covers says that retention removed them")
            return 1
        print(f"records 1 to {removed} were removed by retention, as record {by[-1]} says; their hashes are left, and nobody can see what they said")
    if good > removed or not removed:
        print(f"{tree.size - removed} records; records {removed + 1} to {good} are as they were signed")
    if wrong:
        print(f"NOT VERIFIED: the first difference lies in records {good + 1} to {min(wrong)}")
    elif tree.size > good:
        print(f"records {good + 1} to {tree.size} are not yet covered by a checkpoint")
    return 1 if wrong else 0


def verify_receipt(path, key):
    receipt = json.load(open(path, encoding="utf-8"))
    if receipt.get("holdpoint") != "receipt" or receipt.get("v") != 1:
        raise Bad("this is no receipt of version 1")
    ((size, root),) = checkpoints(receipt["checkpoint"], key)
    wrong = 0
    for record in receipt["records"]:
        proof = [base64.b64decode(one, validate=True) for one in record["proof"]]
        proved = root_from_proof(leaf_hash(record["line"].encode()), record["index"], size, proof) == root
        line = json.loads(record["line"])
        clear = line["clear"]
        opened = clear.get("request")
        ours = line["type"] == "policy.loaded" or receipt["request"] in (
            clear.get("id"), opened, opened.get("id") if isinstance(opened, dict) else None)
        wrong += not (proved and ours)
        print(f"{'proved' if proved and ours else 'NOT PROVED'}  record {record['index'] + 1}  {ascii(line['time'])}  {ascii(line['type'])}")
    print("NOT VERIFIED" if wrong or not receipt["records"] else f"{ascii(receipt['request'])}: verified")
    return 1 if wrong or not receipt["records"] else 0


def verify_evidence(folder, key):
    manifest = json.load(open(os.path.join(folder, "manifest.json"), encoding="utf-8"))
    if manifest.get("holdpoint") != "evidence" or manifest.get("v") != 1:
        raise Bad("this is no evidence of version 1")
    wrong, listed = [], {"manifest.json"}
    for file in manifest["files"]:
        path = file["path"]
        if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", path, re.ASCII):
            raise Bad("the manifest names a file outside of the folder")
        listed.add(path)
        whole = os.path.join(folder, path)
        if not os.path.isfile(whole) or os.path.islink(whole):
            wrong.append(f"{path} is missing")
            continue
        digest = hashlib.sha256()
        with open(whole, "rb") as data:
            for chunk in iter(lambda: data.read(1 << 20), b""):
                digest.update(chunk)
        if digest.hexdigest() != file["sha256"]:
            wrong.append(f"{path} was changed")
    for base, _, names in os.walk(folder):
        paths = [os.path.relpath(os.path.join(base, name), folder) for name in names]
        wrong += [f"{ascii(path)} is not in the manifest" for path in paths if path not in listed]
    proved = None
    if "proof.jsonl" in listed and "proof.jsonl is missing" not in wrong:
        proved = prove(folder, key)
    if proved is None:
        wrong.append("the records do not lead to a signed checkpoint")
    for one in wrong:
        print(f"WRONG  {one}")
    print("NOT VERIFIED" if wrong else f"{len(manifest['files'])} files, {proved} records proved: verified")
    return 1 if wrong else 0


def prove(folder, key):
    """How many records lead to the root of the checkpoint; None: they do not."""
    tree, proved = Tree(), 0
    with open(os.path.join(folder, "proof.jsonl"), encoding="utf-8") as entries, open(os.path.join(folder, "records.jsonl"), "rb") as records:
        head = json.loads(next(entries))
        if head.get("holdpoint") != "evidence proof" or head.get("v") != 1:
            raise Bad("this is no proof of version 1")
        ((size, root),) = checkpoints(head["checkpoint"], key)
        for entry in map(json.loads, entries):
            if isinstance(entry, int):
                for _ in range(entry):
                    line = records.readline()
                    if not line.endswith(b"\n"):
                        return None
                    tree.push(leaf_hash(line[:-1]))
                proved += entry
            else:
                height, node = entry
                node = base64.b64decode(node, validate=True)
                if len(node) != 32 or not 0 <= height <= 48 or tree.size % (1 << height):
                    return None
                tree.push(node, 1 << height)
            if tree.size > size:
                return None
    return proved if tree.size == size and tree.root() == root else None


if __name__ == "__main__":
    try:
        what, path, key, *files = sys.argv[1:]
        if what not in ("log", "receipt", "evidence"):
            raise ValueError
    except ValueError:
        sys.exit(print(__doc__) or 2)
    try:
        found = verifier_key(key)
        if what == "log":
            sys.exit(verify_log(path, found, files))
        sys.exit(verify_receipt(path, found) if what == "receipt" else verify_evidence(path, found))
    except (Bad, OSError, KeyError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)

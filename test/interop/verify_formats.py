"""Verifies an evidence bundle, receipts, a tree head, a published log and a proof file with nothing of Assay's but
its CDDL.

Reads one JSON object from standard input (bytes in hexadecimal), prints what it found as JSON.
"""

import hashlib
import hmac
import json
import pathlib
import struct
import sys

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from pycddl import Schema, ValidationError

given = json.load(sys.stdin)
cddl = open(given["cddl"], encoding="utf-8").read()
bundle, nonce, wrapped, salt = (bytes.fromhex(given[k]) for k in ("bundle", "nonce", "receipt", "salt"))
tree_head, proof_file, collected, first, latest = (
    bytes.fromhex(given[k]) for k in ("treeHead", "proof", "collected", "first", "latest")
)
published = pathlib.Path(given["published"])


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def label(what):
    return b"assay/" + what + b"/v1\0"


def expect(condition, what):
    if not condition:
        raise SystemExit(f"does not hold: {what}")


def is_valid(rule, data):
    try:
        Schema(f"start = {rule}\n{cddl}").validate_cbor(data)
    except ValidationError:
        return False
    return True


def read(rule, data):
    """Validates against a rule of the CDDL and requires the deterministic encoding."""
    Schema(f"start = {rule}\n{cddl}").validate_cbor(data)
    value = cbor2.loads(data)
    expect(cbor2.dumps(value, canonical=True) == data, f"deterministic encoding of {rule}")
    return value


def root_of(leaf, index, size, path):
    """RFC 9162 section 2.1.3.2."""
    fn, sn, node = index, size - 1, leaf
    for step in path:
        expect(sn != 0, "length of the path")
        if fn & 1 or fn == sn:
            node = sha256(b"\x01", step, node)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = sha256(b"\x01", node, step)
        fn, sn = fn >> 1, sn >> 1
    expect(sn == 0, "length of the path")
    return node


evidence = read("evidence-bundle", bundle)
manifest = read("manifest", evidence["manifest"])
policy = read("launch-policy", evidence["launchPolicy"])
position = evidence["challenge"]
challenge = root_of(sha256(b"\x00", nonce), position["index"], position["size"], position["path"])
expect(challenge == position["root"], "challenge")
data = hashlib.sha512(label(b"report-data") + challenge + sha256(evidence["manifest"])).digest()
report = evidence["report"]
canonical = label(b"launch-policy") + evidence["launchPolicy"]
if evidence["tee"] == "sev-snp":
    expect(report[0x50:0x90] == data, "REPORT_DATA")
    expect(report[0xC0:0xE0] == hashlib.sha256(canonical).digest(), "HOST_DATA")
else:
    expect(report[48 + 520 : 48 + 584] == data, "REPORTDATA")
    expect(report[48 + 184 : 48 + 232] == hashlib.sha384(canonical).digest(), "MRCONFIGID")
    rtmr = bytes(48)
    events = read("runtime-log", evidence["eventLog"])["events"]
    expect(events[0] == {"type": "launch-policy", "content": manifest["launchPolicy"]}, "first event")
    loaded = [m["graph"] + m["execution"] for m in manifest["models"]]
    expect([e["content"] for e in events if e["type"] == "model"] == loaded, "events of models")
    for wrong in (("launch-policy", 48), ("model", 32), ("load", 64)):
        event = {"type": wrong[0], "content": bytes(wrong[1])}
        log = cbor2.dumps({"version": 1, "events": [event]}, canonical=True)
        expect(not is_valid("runtime-log", log), f"that an event {wrong} is refused")
    for event in events:
        digest = hashlib.sha384(label(b"rtmr3-event") + cbor2.dumps(event, canonical=True)).digest()
        rtmr = hashlib.sha384(rtmr + digest).digest()
    expect(report[48 + 472 : 48 + 520] == rtmr, "RTMR3")

pair = read("inference-receipt", wrapped)
claims = read("inference-claims", pair["claims"])
key = manifest["signingKey"]
thumbprint = sha256(cbor2.dumps({1: 2, -1: 1, -2: key[-2], -3: key[-3]}, canonical=True))
expect(claims["signingKey"] == thumbprint, "key id of the claims")
expect(claims["manifest"] == sha256(evidence["manifest"]), "manifest of the claims")
expect(claims["epoch"] == manifest["epoch"], "epoch")
[model] = [m for m in manifest["models"] if m["name"] == claims["model"]["name"]]
expect(claims["graph"] == model["graph"] and claims["execution"] == model["execution"], "model")
profile = cbor2.dumps(model["profile"], canonical=True)
expect(model["execution"] == sha256(label(b"execution"), model["graph"], profile), "execution")

numbers = ec.EllipticCurvePublicNumbers(
    int.from_bytes(key[-2], "big"), int.from_bytes(key[-3], "big"), ec.SECP256R1()
)


def verify_root(protected, payload, signature):
    """RFC 9052 section 4.4, with the attested key."""
    signed = cbor2.dumps(["Signature1", protected, b"", payload], canonical=True)
    der = utils.encode_dss_signature(
        int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    )
    numbers.public_key().verify(der, signed, ec.ECDSA(hashes.SHA256()))


def included(receipt, entry):
    """Index of an entry, and header, root and tree size of the head that a receipt proves it under."""
    read("cose-receipt", receipt)
    protected, unprotected, payload, signature = cbor2.loads(receipt).value
    header = read("tree-head-header", protected)
    size, index, path = read("inclusion-proof", unprotected[396][-1][0])
    expect(payload is None and header["tree_size"] == size and header[4] == thumbprint, "header")
    root = root_of(sha256(b"\x00", entry), index, size, path)
    verify_root(protected, root, signature)
    return index, header, root, size


entry = sha256(label(b"claims"), pair["claims"])
index, header, root, size = included(pair["receipt"], entry)
stated = sha256(label(b"manifest-entry"), sha256(evidence["manifest"]))
expect(included(first, stated)[0] == 0, "entry of the first manifest")
expect(included(latest, sha256(label(b"manifest-entry"), sha256(bytes.fromhex(given["later"]))))[0] == size,
       "entry of a later manifest")
read("tree-head", tree_head)
protected, unprotected, payload, signature = cbor2.loads(tree_head).value
expect(read("tree-head-header", protected) == header, "header of the tree head")
expect(unprotected == {} and payload == root, "tree head")
verify_root(protected, payload, signature)


protected, _, payload, signature = cbor2.loads((published / "tree-head.cbor").read_bytes()).value
verify_root(protected, payload, signature)
entries = read("tree-head-header", protected)["tree_size"]
tile = (published / f"tile/0/000.p/{entries}").read_bytes()
leaves = [tile[i : i + 32] for i in range(0, len(tile), 32)]
expect(leaves[index] == sha256(b"\x00", entry) and leaves[0] == sha256(b"\x00", stated), "leaves")
while len(leaves) > 1:
    pairs = [leaves[i : i + 2] for i in range(0, len(leaves), 2)]
    leaves = [sha256(b"\x01", *pair) if len(pair) == 2 else pair[0] for pair in pairs]
expect(leaves == [payload], "root of the published log")


def commitment(side, tensors):
    text = label(side) + struct.pack("<I", len(tensors))
    for tensor in tensors:
        for part in (tensor["name"].encode(), tensor["datatype"].encode()):
            text += struct.pack("<I", len(part)) + part
        text += struct.pack("<I", len(tensor["shape"]))
        text += b"".join(struct.pack("<Q", d) for d in tensor["shape"])
        raw = bytes.fromhex(tensor["data"])
        text += struct.pack("<Q", len(raw)) + raw
    return hmac.digest(salt, text, "sha256")


expect(claims["request"] == commitment(b"request", given["inputs"]), "request")
expect(claims["response"] == commitment(b"response", given["outputs"]), "response")

proof = read("proof-file", proof_file)
expect(proof["evidence"] == bundle and proof["evidenceNonce"] == nonce, "evidence of the proof file")
expect(proof["receipt"] == wrapped and proof["salt"] == salt, "receipt of the proof file")
expect(proof["model"] == claims["model"] and proof["nonce"] == claims[10], "request of the proof file")
for side in ("inputs", "outputs"):
    shown = [{**tensor, "data": tensor["data"].hex()} for tensor in proof[side]]
    expect(shown == given[side], f"{side} of the proof file")
expect(read("snp-evidence", collected)["evidence"] == report, "collected evidence")
print(json.dumps({"index": index, "size": size, "models": len(policy["models"])}))

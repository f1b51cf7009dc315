#!/usr/bin/env python3
"""Checks that an event is in a signed history, with nothing but Python's standard library.

    check_proof.py PROOF.json VERIFIER-KEY

PROOF.json is what `portreeve audit prove EVENT` prints; VERIFIER-KEY is the text that `portreeve audit head --key` printed
on the first day. Sources: RFC 9162 section 2.1.3.2 (inclusion), C2SP signed-note and tlog-checkpoint, RFC 8032 (Ed25519).
"""
import base64, hashlib, json, sys

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):  # points of the curve in extended coordinates
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, point):
    total = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = add(total, point)
        point, number = add(point, point), number >> 1
    return total


def point(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        raise ValueError("no point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(key, text, signature):
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= Q:
        return False
    h = int.from_bytes(hashlib.sha512(r + key + text).digest(), "little") % Q
    a, b = times(s, BASE), add(point(r), times(h, point(key)))
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(leaf, index, size, proof):
    if index >= size:
        raise ValueError("the place is beyond the size")
    at, last = index, size - 1
    for beside in proof:
        if last == 0:
            raise ValueError("the proof is too long")
        if at & 1 or at == last:
            leaf = node(beside, leaf)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            leaf = node(leaf, beside)
        at, last = at >> 1, last >> 1
    if last:
        raise ValueError("the proof is too short")
    return leaf


def check(document, verifier):
    name, _, key = verifier.split("+", 2)
    key = base64.b64decode(key, validate=True)
    if key[0] != 1 or len(key) != 33:
        raise ValueError("no Ed25519 key")
    text, lines = document["checkpoint"].rsplit("\n\n", 1)
    text += "\n"
    ours = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    found = [base64.b64decode(line.split(" ")[2]) for line in lines.splitlines() if line.split(" ")[1] == name]
    if not any(one[:4] == ours and signed(key[1:], text.encode(), one[4:]) for one in found):
        raise ValueError("the checkpoint is not signed by this key")
    _, size, root = text.splitlines()[:3]
    if int(size) != int(document["treeSize"]):
        raise ValueError("the proof is for another size than the checkpoint")
    leaf = hashlib.sha256(b"\0" + document["event"].encode()).digest()
    proof = [base64.b64decode(one, validate=True) for one in document.get("proof", [])]
    if root_of(leaf, int(document.get("leafIndex", 0)), int(size), proof) != base64.b64decode(root):
        raise ValueError("the event is not in the signed history")
    return "event %s of %s, signed by %s" % (int(document.get("leafIndex", 0)) + 1, size, name)


if __name__ == "__main__":
    try:
        with open(sys.argv[1]) as file:
            print("ok:", check(json.load(file), sys.argv[2].strip()))
    except (ValueError, KeyError, IndexError, TypeError, OSError) as why:
        sys.exit("refused: %s" % why)

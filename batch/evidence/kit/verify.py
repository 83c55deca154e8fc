#!/usr/bin/env python3
"""Verifies an evidence package of format 2 with Python alone: python3 verify.py [DIR]; without DIR the package that it lies in.

Exit code 0: no fault found. 1: a fault was found. 2: it could not be checked.
"""
import base64
import binascii
import hashlib
import os
import re
import stat
import sys

HEX = re.compile(rb"[0-9a-f]{64}\Z")
LONGEST = 65688  # bytes of a line of events.tsv, its line feed included
BELONGS = re.compile(
    rb"(events\.tsv|manifest\.json|verify\.sh|verify\.py|derived/events\.(csv|jsonl)|(files|samples)/.+"
    rb"|notes/(0|[1-9][0-9]{0,18})\.note|keys/[0-9a-f]{8}\.pem"
    rb"|journal/segments/[0-9]{8}\.seg|journal/quarantine/[^/]+)\Z", re.DOTALL)


MOST = (  # how many bytes files may have
    (rb"(events\.tsv|samples/.+)\Z", 4 << 30), (rb"derived/", 8 << 30), (rb"manifest\.json\Z", 4 << 20), (rb"SHA256SUMS\Z", 16 << 20),
    (rb"(verify\.sh|verify\.py|files/.+)\Z", 1 << 20), (rb"", 64 << 20))


class Fault(Exception):
    """What is wrong, in words."""


def walk(below=b""):
    """Yields name and kind of every file; links are not followed."""
    with os.scandir(below or b".") as entries:
        for entry in entries:
            name = below + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from walk(name + b"/")
            else:
                yield name, entry.is_file(follow_symlinks=False)


def regular(name):
    """Tells whether a name is that of a file, and not of a link to one."""
    try:
        return stat.S_ISREG(os.lstat(name).st_mode)
    except OSError:
        return False


def large(name):
    """Tells whether a file has more bytes than it can have."""
    return os.lstat(name).st_size > next(most for pattern, most in MOST if re.match(pattern, name, re.DOTALL))


def digest(name):
    """SHA-256 of a file, hex."""
    sha = hashlib.sha256()
    with open(name, "rb") as f:
        for part in iter(lambda: f.read(1 << 20), b""):
            sha.update(part)
    return sha.hexdigest().encode()


def sums(other):
    """V0: every file has the digest that SHA256SUMS has of it, and every file is there."""
    there = set()
    for name, plain in walk():
        if not plain:
            raise Fault("%s: it is no regular file" % show(name))
        if not BELONGS.match(name):
            if name not in (b"SHA256SUMS", b"journal/lock"):
                other.append(name)
        elif any(c in name for c in b"\n\r\\"):
            raise Fault("%s: it has no plain name" % show(name))
        elif large(name):
            raise Fault("%s: it is larger than it can be" % show(name))
        else:
            there.add(name)
    if not regular(b"SHA256SUMS") or large(b"SHA256SUMS"):
        raise Fault("SHA256SUMS: it is not there, or larger than it can be")
    with open(b"SHA256SUMS", "rb") as f:
        text = f.read()
    journal = any(name.startswith(b"journal/") for name in there)
    listed, left, last = set(), 0, b""
    for n, row in enumerate(text.split(b"\n")[:-1], 1):
        sha, name = row[:64], row[66:]
        if not HEX.match(sha) or row[64:66] != b"  " or name <= last:
            raise Fault("SHA256SUMS: line %d is no digest and name in order" % n)
        last = name
        if name not in there:
            if name.startswith(b"journal/") and not journal:
                left += 1
                continue
            raise Fault("%s: listed and absent, or no file of a package" % show(name))
        if digest(name) != sha:
            raise Fault("%s: its SHA-256 is not the one in SHA256SUMS" % show(name))
        listed.add(name)
    if text and not text.endswith(b"\n"):
        raise Fault("SHA256SUMS: its last line is cut off")
    for name in sorted(there - listed):
        raise Fault("%s: it is not listed in SHA256SUMS" % show(name))
    return "%d files have the digests of SHA256SUMS%s" % (len(listed), "; journal/ is left out as a whole" if left else "")


LEAVES, KEYED, GONE, NOTED = [], {}, {}, {}  # what chain has seen: leaves, keys by id, records that end keys, records of heads by size
REVOKED, EARLY, WHOSE, USED = [], [], [], []  # what is said of revoked keys, heads by keys not in use, device and journal, keys that signed


def chain():
    """V1: every record follows from the one before it, up to the one that the manifest calls the last."""
    manifest = b""
    if regular(b"manifest.json") and not large(b"manifest.json"):
        with open(b"manifest.json", "rb") as f:
            manifest = f.read()
        if b"\0" in manifest:
            manifest = b""
    part = b'"selection":{' in manifest
    if not regular(b"events.tsv"):
        raise Fault("events.tsv: it is not there")
    n, bodies, prev = 0, 0, b"0" * 64
    with open(b"events.tsv", "rb") as f:
        for line in iter(lambda: f.readline(LONGEST + 1), b""):
            n += 1
            body, link = record(n, prev, line, part)
            bodies, prev = bodies + (body != b""), link
    if n == 0:
        raise Fault("events.tsv: it holds no record")
    if (b'"last_link":"%s","last_seq":"%d"' % (prev, n) not in manifest or b'"bodies":"%d",' % bodies not in manifest
            or not part and (bodies != n or b'"selection":null' not in manifest)):
        raise Fault("manifest.json: it does not say that record %d is the last, with this link and %d bodies" % (n, bodies))
    return "records 1 to %d follow from each other, %d of them with their bodies; the last link is %s" % (n, bodies, prev.decode())


def record(n, prev, line, part):
    """Takes one line of events.tsv apart; prev is the link of the record before it."""
    fields = line[:-1].split(b"\t", 3)
    wrong = None
    if len(line) > LONGEST:
        wrong = "its line is longer than that of a record can be"
    elif not line.endswith(b"\n"):
        wrong = "its line is cut off"
    elif len(fields) != 4:
        wrong = "its line has no four fields"
    elif fields[0] != b"%d" % n:
        wrong = "another number stands in its place"
    elif not HEX.match(fields[1]) or not HEX.match(fields[2]):
        wrong = "its leaf or link is no digest"
    elif not fields[3] and not part:
        wrong = "it has no body"
    elif fields[3] and hashlib.sha256(b"\0" + fields[3]).hexdigest().encode() != fields[1]:
        wrong = "its body is not the one that its leaf was made of"
    elif hashlib.sha256(b"%d\n%s\n%s\n" % (n, prev, fields[1])).hexdigest().encode() != fields[2]:
        wrong = "its link does not follow from its leaf and the record before it"
    if wrong:
        raise Fault("record %d: %s" % (n, wrong))
    LEAVES.append(bytes.fromhex(fields[1].decode()))
    if fields[3]:
        told(n, fields[3])
    return fields[3], fields[2]


def told(n, body):
    """Takes in what a record says of keys and heads."""
    def first(pattern):
        return (re.findall(pattern, body) + [b""])[0]
    if not WHOSE:
        WHOSE.append(first(rb'"device_id":"([^"]*)"') + b"/" + first(rb'"journal_id":"([^"]*)"'))
    ident = first(rb'"key_id":"([0-9a-f]{8})"').decode()
    if b'"event_type":"key_event"' in body:
        public = first(rb'"public_key":"([A-Za-z0-9+/=]+)"')
        if public:
            KEYED[ident] = public
        if b'"key_state":"revoked"' in body:
            GONE[ident] = n
            REVOKED.append(", key %s is revoked by record %d" % (ident, n))
        else:
            GONE.pop(ident, None)
            if b'"key_state":"rotated"' in body:
                GONE[first(rb'"old_value":"([0-9a-f]{8})"').decode()] = n
    elif b'"event_type":"head_signed"' in body and first(rb'"head_size":"([0-9]+)"'):
        NOTED[first(rb'"head_size":"([0-9]+)"')] = body
        if ident not in KEYED or ident in GONE:
            EARLY.append(n)


def escaped(text):
    """A text as a record has it."""
    return text.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")


def join(left, right):
    """The node of a tree above two others (RFC 9162)."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root(n):
    """The root of the tree of the first n leaves, from the full trees that they fall into."""
    stack = []
    for leaf in LEAVES[:n]:
        stack.append((1, leaf))
        while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
            (size, right), (_, left) = stack.pop(), stack.pop()
            stack.append((2 * size, join(left, right)))
    while len(stack) > 1:
        (size, right), (more, left) = stack.pop(), stack.pop()
        stack.append((size + more, join(left, right)))
    return stack[0][1]


P25519 = 2**255 - 19
Q25519 = 2**252 + 27742317777372353535851937790883648493
D25519 = -121665 * pow(121666, P25519 - 2, P25519) % P25519


def edwards_add(a, b):
    """Sum of two points of edwards25519 in extended coordinates (RFC 8032, 5.1.4)."""
    p = P25519
    e = (a[1] - a[0]) * (b[1] - b[0]) % p
    f = (a[1] + a[0]) * (b[1] + b[0]) % p
    g = 2 * a[3] * b[3] * D25519 % p
    h = 2 * a[2] * b[2] % p
    k, m, o, q = f - e, h - g, h + g, f + e
    return k * m % p, o * q % p, m * o % p, k * q % p


def edwards_times(n, a):
    """n times a point."""
    out = (0, 1, 1, 0)
    while n:
        if n & 1:
            out = edwards_add(out, a)
        a, n = edwards_add(a, a), n >> 1
    return out


def edwards_point(text):
    """The point that 32 bytes stand for; None where they stand for none."""
    y, sign, p = int.from_bytes(text, "little") & (1 << 255) - 1, text[31] >> 7, P25519
    if y >= p:
        return None
    x2 = (y * y - 1) * pow(D25519 * y * y + 1, p - 2, p) % p
    x = pow(x2, (p + 3) // 8, p)
    if (x * x - x2) % p:
        x = x * pow(2, (p - 1) // 4, p) % p
    if (x * x - x2) % p or x == 0 and sign:
        return None
    x = p - x if x & 1 != sign else x
    return x, y, 1, x * y % p


def ed25519(key, text, sig):
    """Tells whether an Ed25519 signature is right (RFC 8032, 5.1.7)."""
    a, r = edwards_point(key), edwards_point(sig[:32]) if len(sig) == 64 else None
    if a is None or r is None:
        return False
    s = int.from_bytes(sig[32:], "little")
    if s >= Q25519:
        return False
    base = edwards_point(bytes([0x58]) + b"\x66" * 31)
    h = int.from_bytes(hashlib.sha512(sig[:32] + key + text).digest(), "little") % Q25519
    left, right = edwards_times(s, base), edwards_add(r, edwards_times(h, a))
    return all((left[i] * right[2] - right[i] * left[2]) % P25519 == 0 for i in (0, 1))


P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
N256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B256 = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G256 = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def p256_add(a, b):
    """Sum of two points of P-256; None is the point at infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P256 == 0:
            return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], P256 - 2, P256) % P256
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], P256 - 2, P256) % P256
    x = (slope * slope - a[0] - b[0]) % P256
    return x, (slope * (a[0] - x) - a[1]) % P256


def p256_times(n, a):
    """n times a point."""
    out = None
    while n:
        if n & 1:
            out = p256_add(out, a)
        a, n = p256_add(a, a), n >> 1
    return out


def der_pair(sig):
    """The two numbers of a DER sequence; None where it is none in its one form."""
    def number(n):
        text = n.to_bytes(n.bit_length() // 8 + 1, "big")
        return b"\2" + bytes([len(text)]) + text
    try:
        size = sig[3]
        r, s = int.from_bytes(sig[4:4 + size], "big"), int.from_bytes(sig[6 + size:], "big")
        text = number(r) + number(s)
        return (r, s) if sig == b"\x30" + bytes([len(text)]) + text else None
    except (IndexError, ValueError):
        return None


def p256(key, text, sig):
    """Tells whether an ECDSA signature by a key of P-256 is right (FIPS 186-5, 6.4.2)."""
    x, y, pair = int.from_bytes(key[:32], "big"), int.from_bytes(key[32:], "big"), der_pair(sig)
    if pair is None or x >= P256 or y >= P256 or (y * y - x * x * x + 3 * x - B256) % P256:
        return False
    r, s = pair
    if not 0 < r < N256 or not 0 < s < N256:
        return False
    w = pow(s, N256 - 2, N256)
    e = int.from_bytes(hashlib.sha256(text).digest(), "big")
    point = p256_add(p256_times(e * w % N256, G256), p256_times(r * w % N256, (x, y)))
    return point is not None and point[0] % N256 == r


SPKI25519 = bytes.fromhex("302a300506032b6570032100")
SPKI256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


def keys(there):
    """Holds keys/ against the keys that the records name."""
    for ident, der in sorted(KEYED.items()):
        name = b"keys/%s.pem" % ident.encode()
        lines = [b"-----BEGIN PUBLIC KEY-----"] + [der[i:i + 64] for i in range(0, len(der), 64)] + [b"-----END PUBLIC KEY-----", b""]
        held = b""
        if name in there:
            with open(name, "rb") as f:
                held = f.read()
        if held != b"\n".join(lines):
            raise Fault("%s: it is not the key of the record" % show(name))
    for name in sorted(there):
        if name.startswith(b"keys/") and name[5:-4].decode() not in KEYED:
            raise Fault("%s: no record names a key of its name" % show(name))


def signed(name, sig, text, size, part):
    """Tells whether a signature is right; None where its key is none that the records name and that is in use.

    Whose key it is, it does not judge.
    """
    ident = sig[:4].hex()
    if ident not in KEYED or b"%d" % size not in NOTED and ident in GONE and not (part and size < GONE[ident]):
        return None
    try:
        der = base64.b64decode(KEYED[ident], validate=True)
    except binascii.Error:
        return False
    right = False
    if der.startswith(SPKI25519) and len(der) == 44:
        key = der[-32:]
        right = hashlib.sha256(name + b"\n\1" + key).hexdigest().startswith(ident) and ed25519(key, text, sig[4:])
    if der.startswith(SPKI256) and len(der) == 91:
        right = hashlib.sha256(der).hexdigest().startswith(ident) and p256(der[-64:], text, sig[4:])
    if right and ident not in USED:
        USED.append(ident)
    return right


def note(name, part):
    """Holds one signed head against the leaves; returns its size."""
    m = re.match(rb"notes/([1-9][0-9]{0,17})\.note\Z", name)
    n = int(m.group(1)) if m else 0
    if not 0 < n <= len(LEAVES):
        raise Fault("%s: it is no note, or there are not as many records" % show(name))
    with open(name, "rb") as f:
        data = f.read(16385)
    lines = data.split(b"\n")
    if len(data) > 16384 or b"\0" in data or lines.pop() != b"" or not 5 <= len(lines) <= 20 or lines[1] != m.group(1) or lines[3]:
        raise Fault("%s: it is no note" % show(name))
    if [escaped(lines[0])] != WHOSE:
        raise Fault("%s: it is of another journal" % show(name))
    if lines[1] in NOTED and b'"signed_note":"%s"' % escaped(data) not in NOTED[lines[1]]:
        raise Fault("%s: it is not the note of the record" % show(name))
    if base64.b64encode(root(n)) != lines[2]:
        raise Fault("%s: it signs another tree than that of records 1 to %d" % (show(name), n))
    good = 0
    for line in lines[4:]:
        m = re.match(rb"\xe2\x80\x94 (.+) ([A-Za-z0-9+/=]+)\Z", line)
        if not m:
            raise Fault("%s: a line is no signature" % show(name))
        try:
            sig = base64.b64decode(m.group(2), validate=True)
        except binascii.Error:
            sig = b""
        right = base64.b64encode(sig) == m.group(2) and signed(m.group(1), sig, b"\n".join(lines[:3]) + b"\n", n, part)
        if right is False:
            raise Fault("%s: a signature is not that of its key" % show(name))
        good += right is True
    if not good:
        raise Fault("%s: no key of the package has signed it" % show(name))
    return n


def signatures():
    """V2: heads of the chain are signed by keys that the chain declares."""
    there = {name for name, plain in walk() if plain and name.startswith((b"notes/", b"keys/")) and BELONGS.match(name)}
    if not there and not NOTED:
        return None
    if EARLY:
        raise Fault("record %d: its head is signed by a key that no record before it has declared, or which was given up" % EARLY[0])
    keys(there)
    for size in sorted(NOTED):
        if b"notes/%s.note" % size not in there:
            raise Fault("notes/%s.note: a record holds it, and it is not there" % size.decode())
    with open(b"manifest.json", "rb") as f:
        part = b'"selection":{' in f.read()
    sizes = [note(name, part) for name in sorted(there) if name.startswith(b"notes/")]
    if not sizes:
        return None
    most = max(sizes)
    return ("%d heads are signed by keys that the records declare,%s; whose they are and whether to trust them is not judged%s; "
            "the last is of records 1 to %d, and %d records after it are not signed"
            % (len(sizes), "".join(" " + ident for ident in USED), "".join(REVOKED), most, len(LEAVES) - most))


def show(name):
    """A name, fit for a terminal."""
    return "".join(chr(c) if 32 <= c < 127 else "?" for c in name)


def main():
    os.chdir(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
    if not os.path.exists(b"events.tsv") and not os.path.exists(b"manifest.json"):
        raise OSError("no evidence package: neither events.tsv nor manifest.json is there")
    failed, other, chained = 0, [], True
    for level, check in (("V0", lambda: sums(other)), ("V1", chain)):
        try:
            print(level + " HOLDS: " + check())
        except Fault as fault:
            failed = 1
            print(level + " FAILS: " + str(fault))
            chained = level != "V1"
    if not chained:
        print("V2 NOT CHECKED: tree and signatures, because the chain does not hold")
    else:
        try:
            words = signatures()
            print("V2 HOLDS: " + words if words else "V2 NONE: there is no signature")
        except Fault as fault:
            failed = 1
            print("V2 FAILS: " + str(fault))
    print("V3 NOT CHECKED: anchors: compare the last link with one that is kept elsewhere")
    print("V4 NOT CHECKED: records, approvals, samples and totals; journal/, derived/ and what else manifest.json says")
    for name in sorted(other):
        print("beside NOT CHECKED: " + show(name))
    return failed


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        print("verify.py: %s" % error, file=sys.stderr)
        sys.exit(2)

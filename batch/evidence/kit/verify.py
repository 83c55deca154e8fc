#!/usr/bin/env python3
"""Verifies an evidence package of format 2 with Python alone: python3 verify.py [DIR]; without DIR the package that it lies in.

Exit code 0: no fault found. 1: a fault was found. 2: it could not be checked.
"""
import hashlib
import os
import re
import stat
import sys

HEX = re.compile(rb"[0-9a-f]{64}\Z")
LONGEST = 65688  # bytes of a line of events.tsv, its line feed included
BELONGS = re.compile(
    rb"(events\.tsv|manifest\.json|verify\.sh|verify\.py|derived/events\.(csv|jsonl)|(files|samples|notes|keys)/.+"
    rb"|journal/segments/[0-9]{8}\.seg|journal/quarantine/[^/]+)\Z", re.DOTALL)


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
        else:
            there.add(name)
    if not regular(b"SHA256SUMS"):
        raise Fault("SHA256SUMS: it is not there")
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


def chain():
    """V1: every record follows from the one before it, up to the one that the manifest calls the last."""
    manifest = b""
    if regular(b"manifest.json"):
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
    return fields[3], fields[2]


def show(name):
    """A name, fit for a terminal."""
    return "".join(chr(c) if 32 <= c < 127 else "?" for c in name)


def main():
    os.chdir(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__)))
    if not os.path.exists(b"events.tsv") and not os.path.exists(b"manifest.json"):
        raise OSError("no evidence package: neither events.tsv nor manifest.json is there")
    failed, other = 0, []
    for level, check in (("V0", lambda: sums(other)), ("V1", chain)):
        try:
            print(level + " HOLDS: " + check())
        except Fault as fault:
            failed = 1
            print(level + " FAILS: " + str(fault))
    print("V2 NOT CHECKED: tree and signatures")
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

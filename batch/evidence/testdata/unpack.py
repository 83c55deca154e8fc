# Unpacks the sample lines of one metering window from the records of an evidence package, and adds them up again:
#   python3 unpack.py DIR WINDOW TAG STALE_MS [FORM=GAIN,OFFSET] [identity=TAG,STALE_MS] [pulses=BITS,MOST,COUNT,RESOLUTION]
# TAG is name and number of the source in the map's tags, from 0, such as FC1:2; STALE_MS its stale_after. A source that is a number has its form in the
# map, 1 int, 2 float32 or 3 float64, and GAIN and OFFSET in counts of its resolution; a counter has 1=1,0, which need not be given.
# Covered are the lines of windows of every method: readings, changes of quality, CUT and NEW. The identity is an int that is
# taken as it comes. The total is added up for pulses without curve and low cutoff: bits of the meter; its greatest rate in Hz, 0 where
# there is none; what one count stands for, such as 1/100; resolution of the total, such as 0.01. Those of other methods are left to
# the program in the comment of package metering, which takes the lines.
import base64, fractions, hashlib, json, math, struct, sys

class Bits:  # of a run, first the highest of a byte
    def __init__(self, data):
        self.data, self.byte, self.left = data, 0, 0
    def take(self, n):
        v = 0
        for _ in range(n):
            if self.left == 0:
                self.byte, self.left = next(self.data), 8
            self.left -= 1
            v = v << 1 | self.byte >> self.left & 1
        return v
    def unary(self, most):
        n = 0
        while n < most and self.take(1):
            n += 1
        return n
    def long(self):
        n = self.take(6)
        return 1 << n | self.take(n)
    def gamma(self):
        n = 0
        while not self.take(1):
            n += 1
        return (1 << n | self.take(n)) - 1

def signed(zigzag):
    return zigzag >> 1 ^ -(zigzag & 1)

def samples(form_of_block, first, data):  # of one block: time when it came in, tag, age in ms, form or None where it is BAD, bits
    data, at, step, seen, form, scan, new = iter(data), first, 0, {}, {}, [], True
    rows, mean = [], {}  # of form 3: [tags, last, step], and what tags differ by
    def num(n=0, shift=0):
        byte = next(data)
        n |= byte % 128 << shift
        return num(n, shift + 7) if byte > 127 else n
    def more(tag, zigzag):
        seen[tag] = seen.get(tag, 0) + signed(zigzag) & 2**64 - 1
        return seen[tag] - (seen[tag] >> 63 << 64)
    def learn():  # a scan told by samples has come to its end
        if form_of_block != 3 or new or len(scan) > 256:
            return
        known = [r for r in rows if r[0] == scan]
        if known and at > known[0][1]:
            known[0][1:] = [at, at - known[0][1]]
        elif not known and len(rows) < 8:
            rows.append([scan, at, 10**8])
        elif not known:
            rows[min(range(8), key=lambda i: rows[i][1])] = [scan, at, 10**8]
    def difference(bits, tag):
        m = mean.get(tag, 0) or {2: 1 << 18, 3: 1 << 47}.get(form[tag], 0)
        k = (m * 11 // 64).bit_length()
        d = bits.unary(8)
        d = d << k | bits.take(k) if d < 8 else bits.long()
        mean[tag] = m - m // 4 + min(d, 1 << 56)
        return d
    def in_run(bits):  # one scan: its row, and zigzag differences by place
        same = bits.take(1)
        rank = 0 if same else bits.unary(8)
        due = sorted(range(len(rows)), key=lambda i: ((at - rows[i][1]) // 3 > rows[i][2], rows[i][1] + rows[i][2], i))
        row = rows[due[rank]]
        late = 0 if same else bits.unary(16)
        if late == 16:
            row[2], late = bits.long(), 0
        row[1] += row[2] + signed(late) * 10**5
        if same:
            return row, {}
        if not bits.take(1):
            return row, {place: difference(bits, tag) for place, tag in enumerate(row[0])}
        change, place = {}, -1
        for _ in range(bits.gamma()):
            place += 1 + bits.gamma()
            change[place] = difference(bits, row[0][place]) + 1
        return row, change
    for head in data:
        if head == 0:
            num()  # ticks
            learn()
            new = True
        elif head == 2:  # a run of scans
            learn()
            new, count, bits = True, next(data), Bits(data)
            for _ in range(count):
                row, change = in_run(bits)
                at = row[1]
                for place, tag in enumerate(row[0]):
                    yield at, tag, 0, form[tag], more(tag, change.get(place, 0))
        elif head < 0x40:  # one sample
            if head & 2:
                learn()
                step, new = num(), True
                at += step
            tag = num()
            scan, new = ([] if new else scan) + [tag], False
            form[tag] = next(data) if head & 4 else form.get(tag, 0)
            age = num() if head & 8 else 0
            bits = more(tag, 0 if head & 32 else num())
            yield at, tag, age, None if head & 16 else form[tag], bits
        else:  # of form 2: scans as the one before
            count = head - 0x7F if head > 0x7F else 1
            step = num() if head & 0xE0 == 0x60 else step
            differ = 0 if head > 0x7F else head & 31
            differ += num() if differ == 31 else 0
            change, place, new = {}, -1, True
            for _ in range(differ):
                n = num()
                place += 1 + (n & 15) + (num() if n & 15 == 15 else 0)
                change[place] = (n >> 4) + 1
            for _ in range(count):
                at += step
                for place, tag in enumerate(scan):
                    yield at, tag, 0, form[tag], more(tag, change.get(place, 0))

pack, window, source, stale = sys.argv[1], sys.argv[2], sys.argv[3].split(":"), int(sys.argv[4])
options = dict(a.split("=") for a in sys.argv[5:])
identity, identity_stale = options.pop("identity", ":-1,0").split(",")
tags = {int(number): name for name, number in (source, identity.split(":"))}
source, identity = tags
pulses = options.pop("pulses", None)
form, (gain, offset) = [(int(f), map(fractions.Fraction, v.split(","))) for f, v in options.items() or [("1", "1,0")]][0]
FORMS = ["bool", "int", "float32", "float64"]
lines, in_force, serial, booted = None, None, None, None

def scaled(bits):  # in counts of the resolution; None where it is no number
    if form > 1:
        bits = struct.unpack("<f" if form == 2 else "<d", (bits & 2**64 - 1).to_bytes(8, "little")[:4 if form == 2 else 8])[0]
    n = round(fractions.Fraction(bits) * gain + offset) if math.isfinite(bits) else 2**63
    return n if -(2**63) <= n < 2**63 else None

def write(at, value, word):  # word CUT begins an epoch
    global last_at, word_in_force
    last_at = at if word == "CUT" or not lines else max(at, last_at)
    word_in_force = {"CUT": "STALE", "NEW": word_in_force}.get(word, word)
    lines.append((last_at, value, word))

def take(at, tag, age, its_form, bits):  # one sample
    global in_force, serial
    then, seen = at - age * 10**6, max(at - age * 10**6, 1)
    if tag == identity and its_form == 1 and at - seen <= int(identity_stale) * 10**6:
        if serial not in (None, bits) and lines is not None:
            write(then, "", "NEW")
        serial = bits
    if tag != source:
        return
    value = scaled(bits) if its_form == form else None
    word = "BAD" if value is None else "STALE" if at - seen > stale * 10**6 else "GOOD"
    if word != "BAD":
        in_force = seen, value
    if lines is not None:
        write(then, value if word == "GOOD" else "", word)

def sum_of_pulses(bits, most):
    total, last, known = 0, None, None  # known: time of the last number, None after CUT
    for at, value, word in lines:
        if word in ("CUT", "NEW"):
            known, last = None, None if word == "NEW" else last
        elif word == "GOOD":
            more = 0 if last is None else (value - last) % 2**bits
            fits = more * 10**9 <= most * (at - known + 10**9) if most and known is not None else more < 2 ** (bits - 1)
            total, last, known = total + (more if fits else 0), value, at
    return total

for line in open(pack + "/events.tsv", encoding="utf-8", newline="\n"):
    r = json.loads(line.split("\t", 3)[3])
    at, kind, ours = int(r["ts_mono_ns"]), r["event_type"], r.get("meter_window_id") == window
    if kind in ("boot", "recovery_event"):  # read back: name, form, value, quality
        in_force, booted = None, r["event_seq"]
        if lines is not None:
            write(at, "", "CUT")
        for tag, words in ((tag, w.split(" ")) for w in r["readback"] for tag in tags if w.split(" ")[0] == tags[tag]):
            take(at, tag, 0, FORMS.index(words[1]) if words[3] == "GOOD" else None, int(words[2]) - (int(words[2]) >> 63 << 64))
    elif kind == "input_block":
        for sample in samples(int(r["block_form"]), int(r["first_mono_ns"]), base64.b64decode(r["block_data"])):
            take(*sample)
    elif kind == "quality_change" and r["quality"] == "STALE" and booted in r["cause"]:
        pass  # CUT has said it, and what was read back came after that
    elif kind == "quality_change" and lines is not None and r["logical_tag"] == tags[source]:
        if r["quality"] not in ("GOOD", word_in_force):
            write(at, "", r["quality"])
        word_in_force = r["quality"]
    elif ours and kind == "window_start":
        lines, word_in_force = [], "GOOD"
        write(min(in_force[0], at), in_force[1], "GOOD")
    elif ours and kind == "window_stop":
        break
digest, total = hashlib.sha256("".join("%d\t%s\t%s\n" % line for line in lines).encode()).hexdigest(), None
if pulses:
    bits, most, count, resolution = map(fractions.Fraction, pulses.split(","))
    total = round(sum_of_pulses(int(bits), int(most)) * count / resolution) * resolution
if digest != r["samples_digest"] or pulses and total != fractions.Fraction(r["totalized_value"]):
    sys.exit("record %s says %s and %s; unpacked: %s and %s" % (r["event_seq"], r["samples_digest"], r["totalized_value"], digest, total))
print("%d samples, digest %s" % (len(lines), digest) + (", total %s %s" % (r["totalized_value"], r["unit"]) if pulses else ""))

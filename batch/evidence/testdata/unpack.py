# Unpacks the samples of one metering window from the input records of an evidence package and adds them up again:
#   python3 unpack.py DIR WINDOW TAG BITS COUNT RESOLUTION STALE_MS
# From map and calibration: number of the source in the map's tags, from 0; bits of the meter; what one count stands for, such as
# 1/100; resolution of the total, such as 0.01; stale_after of the source.
import base64, fractions, hashlib, json, sys

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

def samples(form_of_block, first, data):  # of one block: time when it came in, tag, age in ms, quality, value
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
                    yield at, tag, 0, "BAD" if form[tag] != 1 else "GOOD", more(tag, change.get(place, 0))
        elif head < 0x40:  # one sample
            if head & 2:
                learn()
                step, new = num(), True
                at += step
            tag = num()
            scan, new = ([] if new else scan) + [tag], False
            form[tag] = next(data) if head & 4 else form.get(tag, 0)
            age = num() if head & 8 else 0
            quality = "BAD" if head & 16 or form[tag] != 1 else "STALE" if age > stale else "GOOD"
            yield at, tag, age, quality, more(tag, 0 if head & 32 else num())
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
                    yield at, tag, 0, "BAD" if form[tag] != 1 else "GOOD", more(tag, change.get(place, 0))

pack, window, source, bits, stale = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[7])
count, resolution = fractions.Fraction(sys.argv[5]), fractions.Fraction(sys.argv[6])
lines, raw, in_force = None, 0, None

def take(at, age, quality, value):  # one sample of the source
    global in_force, last, raw
    if quality != "BAD":
        in_force = "%d\t%d\tGOOD\n" % (max(at - age * 10**6, 1), value), value
    if lines is not None:
        lines.append("%d\t%s\t%s\n" % (at - age * 10**6, value if quality == "GOOD" else "", quality))
    if lines is not None and quality == "GOOD":
        more, last = (value - last) % 2**bits, value
        raw += more if more < 2 ** (bits - 1) else 0

for line in open(pack + "/events.tsv", encoding="utf-8", newline="\n"):
    r = json.loads(line.split("\t", 3)[3])
    if r["event_type"] in ("boot", "recovery_event"):  # read back: name, form, value, quality
        booted, in_force, boot_at = {w.split(" ")[0]: w.split(" ")[1:] for w in r["readback"]}, None, int(r["ts_mono_ns"])
        if lines is not None and name in booted:
            take(boot_at, 0, booted[name][2] if booted[name][0] == "int" else "BAD", int(booted[name][1]))
    elif r["event_type"] == "input_block":
        for at, tag, age, quality, value in samples(int(r["block_form"]), int(r["first_mono_ns"]), base64.b64decode(r["block_data"])):
            if tag == source:
                take(at, age, quality, value)
    elif r.get("meter_window_id") == window and r["event_type"] == "window_start":
        name = r["logical_tag"]
        if in_force is None:
            in_force = "%d\t%s\tGOOD\n" % (max(boot_at, 1), booted[name][1]), int(booted[name][1])
        lines, last = [in_force[0]], in_force[1]
    elif r.get("meter_window_id") == window and r["event_type"] == "window_stop":
        break
digest, total = hashlib.sha256("".join(lines).encode()).hexdigest(), round(raw * count / resolution) * resolution
if digest != r["samples_digest"] or total != fractions.Fraction(r["totalized_value"]):
    sys.exit("record %s says %s and %s; unpacked: %s and %s" % (r["event_seq"], r["samples_digest"], r["totalized_value"], digest, total))
print("%d samples, digest %s, total %s %s" % (len(lines), digest, r["totalized_value"], r["unit"]))

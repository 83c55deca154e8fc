// References as text: what a person writes on a command line or into a configuration.

package system

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/timebase"
)

// RTCDevice is the clock chip that is meant where none is named.
const RTCDevice = "/dev/rtc0"

// maxSpec is how long a text of references may be, bytes.
const maxSpec = 4096

// ParseRefs reads references, with commas between them, the first of a kind being the primary:
//
//	kernel                        the kernel's clock, whoever keeps it
//	chrony[:HOST:PORT|:/PATH]     chronyd, at ChronyAddress if nothing is given
//	ptp[:/PATH][?OPTION&OPTION]   ptp4l, at PTPSocket if nothing is given
//	rtc[:/DEVICE]                 a clock chip, RTCDevice if nothing is given
//
// The options of ptp are class=N, the greatest clock class of a grandmaster that is believed (TraceableClass), domain=N, and
// clock=/DEVICE, the clock of the network interface. Each reference may have its name before it, as in gps=ptp:/run/ptp4l; else its
// first word is its name. Nothing is opened yet. The clock is one of NewClock at speed 1.
func ParseRefs(clock timebase.Clock, text string) ([]Watching, error) {
	if len(text) > maxSpec {
		return nil, fmt.Errorf("system: references: %d bytes; at most %d are read", len(text), maxSpec)
	}
	var refs []Watching
	for one := range strings.SplitSeq(text, ",") {
		w, err := parseRef(clock, strings.TrimSpace(one))
		if err != nil {
			return nil, fmt.Errorf("system: reference %q: %w", one, err)
		}
		refs = append(refs, w)
	}
	return refs, nil
}

// parseRef reads one reference.
func parseRef(clock timebase.Clock, text string) (w Watching, err error) {
	what, query, _ := strings.Cut(text, "?")
	name, rest, named := strings.Cut(what, "=")
	if named {
		what = rest
	}
	word, at, given := strings.Cut(what, ":")
	if !named {
		name = word
	}
	options, err := url.ParseQuery(query)
	if err != nil {
		return w, fmt.Errorf("what stands behind ?: %w", err)
	}
	w.Name = name
	if given && at == "" {
		return w, fmt.Errorf("nothing stands behind %s:; leave out the colon, or say where", word)
	}
	switch word {
	case "kernel":
		if given {
			return w, fmt.Errorf("there is one kernel; write kernel")
		}
		w.Kind, w.MaxAge, w.From = timebase.NTP, int64(KernelMaxAge), NewKernel(clock)
	case "chrony":
		w.Kind, w.From = timebase.NTP, NewChrony(clock, at, nil)
	case "ptp":
		var opt PTPOptions
		if err := opt.take(options); err != nil {
			return w, err
		}
		w.Kind, w.From = timebase.PTP, NewPTP(clock, at, &opt)
	case "rtc":
		if at == "" {
			at = RTCDevice
		}
		w.Kind, w.From = timebase.RTC, NewChip(clock, linux.NewRTC(at))
	default:
		return w, fmt.Errorf("unknown; write kernel, chrony, ptp or rtc")
	}
	if (word == "ptp" || word == "rtc") && given && !strings.HasPrefix(at, "/") {
		return w, fmt.Errorf("%q: a path is wanted, from / on", at)
	}
	for _, key := range slices.Sorted(maps.Keys(options)) {
		return w, fmt.Errorf("unknown option %s; ptp has class, domain and clock, the others have none", key)
	}
	return w, nil
}

// take takes over what it knows of the options.
func (o *PTPOptions) take(options url.Values) error {
	for _, number := range [...]struct {
		name string
		to   *uint8
	}{{"class", &o.Class}, {"domain", &o.Domain}} {
		if !options.Has(number.name) {
			continue
		}
		n, err := strconv.ParseUint(options.Get(number.name), 10, 8)
		if err != nil || len(options[number.name]) > 1 || number.to == &o.Class && n == 0 {
			return fmt.Errorf("%s=%s: one number up to 255 is wanted, and a class above 0", number.name, options.Get(number.name))
		}
		*number.to = uint8(n)
		options.Del(number.name)
	}
	if o.Device = options.Get("clock"); o.Device != "" && !strings.HasPrefix(o.Device, "/") {
		return fmt.Errorf("clock=%s: a path is wanted, from / on", o.Device)
	}
	options.Del("clock")
	return nil
}

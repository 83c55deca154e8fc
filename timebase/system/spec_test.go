// References as text: what is understood, and what is refused with which words.

package system

import (
	"strings"
	"testing"

	"github.com/batchkit/batchkit/hal/linux"
	"github.com/batchkit/batchkit/timebase"
	"github.com/stretchr/testify/require"
)

func TestReferencesAreReadFromText(t *testing.T) {
	c := NewClock(1)
	refs, err := ParseRefs(c, "gps=ptp:/run/ptp4l?class=248&domain=24&clock=/dev/ptp1, ptp,chrony,lab=chrony:[::1]:20323,near=chrony:/run/chrony/chronyd.sock,kernel,rtc,second=rtc:/dev/rtc1")
	require.NoError(t, err)
	var names []string
	for _, r := range refs {
		names = append(names, r.Name+" "+r.Kind.String())
	}
	require.Equal(t, "gps ptp, ptp ptp, chrony ntp, lab ntp, near ntp, kernel ntp, rtc rtc, second rtc", strings.Join(names, ", "))
	gps, def := refs[0].From.(*PTP), refs[1].From.(*PTP)
	require.Equal(t, "/run/ptp4l", gps.at)
	require.Equal(t, PTPOptions{Class: 248, Domain: 24, Device: "/dev/ptp1"}, gps.opt)
	require.Equal(t, PTPSocket, def.at)
	require.Equal(t, PTPOptions{Class: TraceableClass}, def.opt)
	require.Equal(t, ChronyAddress, refs[2].From.(*Chrony).at)
	require.Equal(t, "[::1]:20323", refs[3].From.(*Chrony).at)
	require.Equal(t, "/run/chrony/chronyd.sock", refs[4].From.(*Chrony).at)
	require.EqualValues(t, KernelMaxAge, refs[5].MaxAge)
	require.Equal(t, linux.NewRTC(RTCDevice), refs[6].From.(*Chip).rtc)
	_, err = NewWatch(c, refs, nil)
	require.NoError(t, err)
}

func TestTextThatIsNoReferenceIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                       `system: reference "": unknown; write kernel, chrony, ptp or rtc`,
		"ntpd":                   `system: reference "ntpd": unknown; write kernel, chrony, ptp or rtc`,
		"kernel,":                `system: reference "": unknown; write kernel, chrony, ptp or rtc`,
		"chrony:":                `system: reference "chrony:": nothing stands behind chrony:; leave out the colon, or say where`,
		"kernel:1":               `system: reference "kernel:1": there is one kernel; write kernel`,
		"ptp:ptp4l":              `system: reference "ptp:ptp4l": "ptp4l": a path is wanted, from / on`,
		"rtc:rtc1":               `system: reference "rtc:rtc1": "rtc1": a path is wanted, from / on`,
		"ptp?class=0":            `system: reference "ptp?class=0": class=0: one number up to 255 is wanted, and a class above 0`,
		"ptp?class=6&class=7":    `system: reference "ptp?class=6&class=7": class=6: one number up to 255 is wanted, and a class above 0`,
		"ptp?domain=256":         `system: reference "ptp?domain=256": domain=256: one number up to 255 is wanted, and a class above 0`,
		"ptp?clock=ptp0":         `system: reference "ptp?clock=ptp0": clock=ptp0: a path is wanted, from / on`,
		"ptp?speed=1":            `system: reference "ptp?speed=1": unknown option speed; ptp has class, domain and clock, the others have none`,
		"chrony?class=6":         `system: reference "chrony?class=6": unknown option class; ptp has class, domain and clock, the others have none`,
		strings.Repeat(",", 5e3): "system: references: 5000 bytes; at most 4096 are read",
	} {
		_, err := ParseRefs(NewClock(1), text)
		require.EqualError(t, err, want, text)
	}
}

func FuzzReferencesAsText(f *testing.F) {
	f.Add("gps=ptp:/run/ptp4l?class=248&domain=24&clock=/dev/ptp1,chrony:127.0.0.1:323,rtc")
	f.Add("a=b=c:d:e?x;y")
	f.Fuzz(func(t *testing.T, text string) {
		c := NewClock(1)
		refs, err := ParseRefs(c, text)
		if err != nil {
			return
		}
		for _, r := range refs {
			if r.From == nil || r.Kind > timebase.PTP {
				t.Fatal(r)
			}
		}
		_, _ = NewWatch(c, refs, nil)
	})
}

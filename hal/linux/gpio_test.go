// The claims of finding lines, on banks that a test has made.

package linux

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// shelf is a bank of a test.
type shelf []struct {
	Chip
	names []string
}

func (s shelf) chips() ([]Chip, error) {
	list := []Chip{}
	for _, one := range s {
		one.Lines = len(one.names)
		list = append(list, one.Chip)
	}
	return list, nil
}

func (s shelf) lines(c Chip) ([]LineInfo, error) {
	for _, one := range s {
		if one.Device == c.Device {
			list := []LineInfo{}
			for i, name := range one.names {
				list = append(list, LineInfo{Offset: i, Name: name})
			}
			return list, nil
		}
	}
	return nil, errors.New("no such chip")
}

// pi is the bank of a board whose header moved from one chip to another.
var pi = shelf{
	{Chip{Device: "gpiochip0", Label: "pinctrl-rp1"}, []string{"ID_SDA", "ID_SCL", "GPIO2", ""}},
	{Chip{Device: "gpiochip1", Label: "gpio-brcmstb@107d508500"}, []string{"-", "2712_BOOT_CS_N"}},
}

func TestALineIsFoundByLabelAndNumberOrByItsName(t *testing.T) {
	for _, at := range []LineAt{{Chip: "pinctrl-rp1", Offset: 2}, {Chip: "pinctrl-rp1", Name: "GPIO2"}, {Name: "GPIO2"}} {
		c, l, err := findLine(pi, at)
		require.NoError(t, err)
		require.Equal(t, "gpiochip0", c.Device)
		require.Equal(t, 2, l.Offset)
	}
}

func TestALineThatIsNotThereIsRefusedWithWhatThereIs(t *testing.T) {
	twins := shelf{{Chip{Device: "gpiochip0", Label: "a"}, []string{"X"}}, {Chip{Device: "gpiochip1", Label: "a"}, []string{"X"}}}
	for want, c := range map[string]struct {
		bank bank
		at   LineAt
	}{
		`gpiochip labelled "pinctrl-bcm2711" not found; there are: pinctrl-rp1 (gpiochip0, 4 lines), ` +
			`gpio-brcmstb@107d508500 (gpiochip1, 2 lines): no such line`: {pi, LineAt{Chip: "pinctrl-bcm2711", Offset: 17}},
		`line 17 of chip "pinctrl-rp1" not found; there are: lines 0 to 3 of gpiochip0: no such line`:           {pi, LineAt{Chip: "pinctrl-rp1", Offset: 17}},
		`line "GPIO3" of chip "pinctrl-rp1" not found; there are: ID_SDA, ID_SCL, GPIO2: no such line`:          {pi, LineAt{Chip: "pinctrl-rp1", Name: "GPIO3"}},
		`line "GPIO3" of any chip not found; there are: ID_SDA, ID_SCL, GPIO2, -, 2712_BOOT_CS_N: no such line`: {pi, LineAt{Name: "GPIO3"}},
		`line "X" of any chip: 2 lines are that; give the label of the chip: no such line`:                      {twins, LineAt{Name: "X"}},
		`line 0 of chip "a": 2 lines are that; labels and names must differ: no such line`:                      {twins, LineAt{Chip: "a"}},
		`gpiochip labelled "a" not found; there are: no chips of GPIO at all (no /dev/gpiochip*: is the driver loaded, and the ` +
			`device tree right?): no such line`: {shelf{}, LineAt{Chip: "a"}},
	} {
		_, _, err := findLine(c.bank, c.at)
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, ErrNoLine)
	}
}

func TestAManyOfChipsIsNotListedWhole(t *testing.T) {
	many := shelf{}
	for i := range 20 {
		many = append(many, struct {
			Chip
			names []string
		}{Chip{Device: fmt.Sprintf("gpiochip%d", i), Label: "expander"}, make([]string, 8)})
	}
	_, _, err := findLine(many, LineAt{Chip: "x"})
	require.ErrorContains(t, err, "and 8 more")
	require.Equal(t, maxNamed, strings.Count(err.Error(), "(gpiochip"))
}

func TestALineThatAnotherHoldsSaysWho(t *testing.T) {
	err := held(syscall.EBUSY, LineInfo{Used: true, Consumer: "spi0 CS0"}, true)
	require.ErrorContains(t, err, `"spi0 CS0" has it already`)
	require.ErrorIs(t, err, syscall.EBUSY)
	require.ErrorContains(t, held(os.ErrPermission, LineInfo{}, false), "the group gpio may")
}

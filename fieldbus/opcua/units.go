// Units: from codes of UN/CEFACT recommendation 20, as OPC UA has them, to those of package quantity.

package opcua

import (
	"fmt"

	"github.com/batchkit/batchkit/metering/quantity"
)

// cefact is the namespace of unit numbers that are codes of recommendation 20: their letters, as bytes (part 8, 5.6.3).
const cefact = "http://www.opcfoundation.org/UA/units/un/cefact"

// units are the codes of which a unit is exactly the same, by another name.
var units = map[string]quantity.Unit{
	"KGM": "kg", "GRM": "g", "MGM": "mg", "TNE": "t",
	"MTQ": "m3", "LTR": "L", "DMQ": "L", "MLT": "mL", "CMQ": "mL", "4G": "uL",
	"DAY": "d", "HUR": "h", "MIN": "min", "SEC": "s", "C26": "ms", "B98": "us", "C47": "ns",
	"CEL": "Cel", "KEL": "K",
	"BAR": "bar", "MBR": "mbar", "A97": "mbar", "KPA": "kPa", "PAL": "Pa",
	"KHZ": "kHz", "HTZ": "Hz", "C34": "mol", "C18": "mmol",
	"AMP": "A", "4K": "mA", "VLT": "V", "2Z": "mV", "KWT": "kW", "WTT": "W", "KWH": "kWh", "JOU": "J",
	"MTR": "m", "CMT": "cm", "MMT": "mm", "C27": "mS", "B99": "uS", "Q30": "[pH]", "P1": "%", "C62": "1",
	"KGS": "kg/s", "F31": "kg/min", "E93": "kg/h", "E18": "t/h", "F29": "g/s", "F28": "g/min", "F27": "g/h",
	"MQS": "m3/s", "G53": "m3/min", "MQH": "m3/h", "G51": "L/s", "L2": "L/min", "E32": "L/h", "40": "mL/s", "41": "mL/min",
	"KMQ": "kg/m3", "B34": "kg/L", "B35": "kg/L", "GL": "g/L", "GJ": "g/mL", "H61": "mS/cm", "G42": "uS/cm", "C94": "/min", "RPM": "/min",
}

// unitOf gives the unit of a number in a namespace, and the number as people write it; "" where it is not known here.
func unitOf(namespace string, number int32) (quantity.Unit, string) {
	if namespace != cefact {
		return "", fmt.Sprintf("%d of %.60q", number, shortened(namespace, mostName))
	}
	code := ""
	for shift := 24; shift >= 0; shift -= 8 {
		switch c := byte(number >> shift); {
		case c == 0 && code == "":
		case c >= '0' && c <= '9' || c >= 'A' && c <= 'Z':
			code += string(rune(c))
		default:
			return "", fmt.Sprintf("number %d", number)
		}
	}
	if code == "" {
		return "", "without a code"
	}
	return units[code], "code " + code
}

// The meters of a map that is checked without a recipe, held against the calibration that it names.

package main

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/batchkit/batchkit/batch"
	"github.com/batchkit/batchkit/iomap"
	"github.com/batchkit/batchkit/metering"
)

// meters calls row with the words of each meter: name, method, source, unit of its total, and what the calibration makes of its
// readings. The error names every meter that no window could open on.
func meters(name string, m *iomap.Map, row func(words ...string)) error {
	var cal *metering.Calibration
	if m.Calibration != "" {
		file := path.Join(path.Dir(filepath.ToSlash(name)), m.Calibration)
		src, err := readFile(filepath.FromSlash(file))
		if err != nil {
			return fmt.Errorf("%s: its calibration: %w", name, err)
		}
		if cal, err = metering.ParseCalibration(file, src); err != nil {
			return err
		}
	}
	var errs []error
	for i := range m.Meters {
		meter := &m.Meters[i]
		if _, err := batch.BindMeter(m, cal, meter); err != nil {
			errs = append(errs, fmt.Errorf("%s: meter %s cannot be used: %w", name, meter.Name, err))
			continue
		}
		words := []string{meter.Name, meter.Method.String(), "of " + m.Tags[meter.Source].Name, "in steps of " + meter.Resolution.String()}
		row(append(words, strings.Join(cal.Words(meter.Name), ", "))...)
	}
	return errors.Join(errs...)
}

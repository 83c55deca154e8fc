// What tests of other packages need from inside: a device that forgets, as most clients do.

package scale

// Forget has a device believe that it is owed nothing, as the control of a campaign.
func (d *Device) Forget() { d.owed = d.owed[:0] }

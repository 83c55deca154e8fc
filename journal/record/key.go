// What is asked of a key: its name, its form, and which one has a name.

package record

// String gives the name that stands in a body.
func (k Key) String() string {
	if k < keyCount {
		return keys[k].name
	}
	return ""
}

func (k Key) form() form {
	if k < keyCount {
		return keys[k].form
	}
	return formText
}

// ParseKey finds the key with a name; ok is false where there is none.
func ParseKey(name string) (k Key, ok bool) {
	lo, hi := 0, int(keyCount)
	for lo < hi {
		mid := (lo + hi) / 2
		switch s := keys[mid].name; {
		case s == name:
			return Key(mid), true
		case s < name:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return 0, false
}

// Names of files made durable.

package store

// syncDir does nothing: the system keeps names itself.
func syncDir(string) error { return nil }

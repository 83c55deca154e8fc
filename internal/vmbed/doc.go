// Command vmbed runs a program in a Linux kernel of its own: a virtual machine with gpiochips whose wires can be worked from
// outside, chips on an I2C bus, watchdogs that bite, flash, and a serial cable. So drivers are tested against the kernel that they
// are for, by anybody who can run QEMU; neither root nor KVM is needed.
//
// Start with make.sh, which fetches a kernel once, and then with go test, of which this is an -exec program:
//
//	bash internal/vmbed/make.sh
//	go test ./internal/vmbed
//	CGO_ENABLED=0 go build -o /tmp/vmbed ./internal/vmbed
//	CGO_ENABLED=0 go test -v -exec /tmp/vmbed -run Kernel ./hal/linux
//
// The program, testdata beside it and what -with names lie in the guest where they lie here, in memory. A file given by -disk is an
// ext4 at /disk, which outlives the machine. The guest has BATCHKIT_BED=1 in its environment and those of the host's variables
// that begin with BATCHKIT_ or steer Go; it has no shell and no other program. The exit status is that of the program, or 125 where
// the machine ended before it.
//
// What is in it: gpio-sim, i2c-stub as the one I2C bus, with at24, a clock chip that ticks, softdog as watchdog0, i6300esb as
// watchdog1, 1 MiB of NOR as mtd0, and ttyS2 joined to ttyS3. Package guest puts chips in place and works their wires.
//
// # The rule that must not be broken
//
// A kernel is taken only from Debian, signed, and never into the repository: make.sh fetches it, and a cache keeps it.
//
// # What it does not do
//
// It is for linux/amd64. Its time is that of an emulated processor on a busy host: orders of magnitude are told by it, and no
// figures. Killing it is no cut of power, since the host keeps what the guest has not flushed; internal/crashlab does that.
package main

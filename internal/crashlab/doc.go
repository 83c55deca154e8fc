// Command crashlab takes power from the journal on a real file system: a Linux kernel in a small virtual machine, ext4 on a
// disk that may lose or tear whatever it was not told to flush.
//
// Start with run.sh, which fetches a kernel and QEMU on a Debian machine and runs everything:
//
//	bash internal/crashlab/run.sh 2000
//
// The virtual machine lives three lives of one journal: the first is killed while it writes, the others are closed in
// order. Its disk is served by this program, which records every write and flush. A second disk is the witness: the guest
// writes a sector there whenever the journal has promised something, and does nothing more until that write is answered.
// So promises stand in the same record as the writes and flushes that they rely on, behind them and before all that the
// journal's writer does next; there is no slack between the two.
//
// From the record the explorer then builds disks as a cut of power can leave them: all that a flush covered, and of the
// rest any part, by whole writes or by single sectors, in any order. It lets e2fsck replay the file system's own journal,
// takes the directory out with debugfs, and asks package journal: everything promised must be there, byte for byte,
// nothing else, the verdict CLEAN or TORN_TAIL, and the journal must go on from there.
//
// # The rule that must not be broken
//
// A run proves something only beside its controls. Each breaks one thing that a journal on a disk relies on, and a lab
// that does not notice is itself broken: it exits with an error, as it does when our own writer loses a record.
//
// # What it does not do
//
// The disk keeps 512-byte sectors whole, but for the run "ruined" and the flag -ruin, which leave garbage in one of those that
// were being written, and has no forced unit access: the kernel flushes instead. It is one file system of one kernel version, and e2fsck stands in for that
// kernel where its journal is replayed. Power goes once: a recovery that is cut off itself is for package journaltest. The
// recording is made anew with each run, and depends on time; a state is found again only in the recording that it was built
// from, which is why recordings are kept.
package main

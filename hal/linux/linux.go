// Package linux reads from a Linux kernel what a board's contracts ask for.
//
// Start with [StorageHealth], which says how the medium that holds a directory stands, and [MediumOf], which finds that medium.
//
// The rule that must not be broken: what the kernel does not tell is UNKNOWN, with the reason, and never a guess. An SD card has no
// word for its wear; so has none of what lies behind a disk that is virtual.
//
// [NewRTC] makes a clock chip of one that has a driver.
//
// The package reads small files of sysfs and procfs and starts nothing. A read may wait for the device for some milliseconds. All
// but MediumOf and RTC works on any system, on whatever tree it is given.
package linux

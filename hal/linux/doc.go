// Package linux carries out the contracts of package hal on a Linux kernel: by its drivers, wherever there is one.
//
// Start with [ParseBoard], which reads a board file; [Board.Open] opens all that it names, and [Devices.Port] is its lines as a
// tag.Port. Or open one device: [OpenInput], [OpenOutput], [OpenRS485], [OpenRS232], [OpenFRAM], [FindRTC], [FindWatchdog].
// [StorageHealth] says how the medium that holds a directory stands, and [MediumOf] finds that medium.
//
// The rule that must not be broken: what the kernel does not tell is UNKNOWN, or an error, with the reason, and never a guess. An
// SD card has no word for its wear; so has none of what lies behind a disk that is virtual. What is set is read back: a time-out,
// the rate of a line, the direction of a bus.
//
// A device is found by what its driver or its maker calls it. The numbers in /dev/rtc0, /dev/watchdog1 or /dev/mtd2 follow the
// order in which drivers came up, and change with a kernel.
//
// The package starts nothing. A call may wait for the device for some milliseconds, or for what its comment says. All of it
// compiles on any system; elsewhere than on Linux devices return an error that wraps errors.ErrUnsupported.
//
// # Parts
//
// The parts that the house was asked about, the driver that each has in mainline Linux, how it comes up on a Raspberry Pi (a line
// of config.txt, where Raspberry Pi OS has an overlay; "own" is a fragment of device tree to be written for the board), and what
// asks it. Tested names the part behind the same interface of the kernel that stood in for it in the machine of internal/vmbed;
// pty is a pseudo terminal, double a driver as it is known to behave. None of these very parts was on a board of ours: run
// examples/commission on yours.
//
//	part        driver, compatible            overlay                            node                  by            tested
//	PCF2129     rtc-pcf2127 nxp,pcf2129       i2c-rtc,pcf2129                    /dev/rtcN             FindRTC       rtc_cmos
//	MCP79410    rtc-ds1307 microchip,mcp7941x i2c-rtc,mcp7941x                   /dev/rtcN, nvmem      FindRTC       rtc_cmos
//	MAX31341    none                          -                                  -                     -             (1)
//	FM25V10     at25 cypress,fm25             anyspi,spi0-0,dev="cypress,fm25"   .../spi0.0/eeprom     OpenFRAM, 1   at24
//	MB85RS64V   at25 fujitsu,mb85rs64         own: size, address-width, pagesize .../spi0.0/eeprom     OpenFRAM, 1   at24
//	MR25H40     spi-nor everspin,mr25h40      own                                /dev/mtdN             OpenFRAM, 8   mtdram (2)
//	W25Q64JV    spi-nor jedec,spi-nor         jedec-spi-nor,flash-spi0-0         /dev/mtdN, UBIFS      StorageHealth refusal (3)
//	MX25L128    spi-nor jedec,spi-nor         jedec-spi-nor,flash-spi0-0         /dev/mtdN, UBIFS      StorageHealth refusal (3)
//	TPS3839     none is wanted                -                                  -                     -             (4)
//	ADM809      none is wanted                -                                  -                     -             (4)
//	TPS3430     gpio_wdt linux,wdt-gpio       own: hw_margin_ms                  /dev/watchdogN        FindWatchdog  i6300esb (5)
//	W5500       w5100-spi wiznet,w5500        w5500                              eth1                  package net   (6)
//	DP83826E    dp83822 (a PHY)               of the board                       eth0                  package net   (6)
//	KSZ8081     micrel (a PHY)                of the board                       eth0                  package net   (6)
//	SN65HVD72   that of the UART              uart3,rs485 (from April 2025)      /dev/ttyAMAn          OpenRS485     8250, pty (7)
//	ADM2587E    that of the UART              uart3,rs485 (from April 2025)      /dev/ttyAMAn          OpenRS485     8250, pty (7)
//	ADuM1250    none is wanted: an isolator   that of what is behind it          -                     -             -
//	ATECC608B   atmel-ecc (ECDH only)         -                                  -                     crypto.Signer (8)
//	SE050       none                          -                                  -                     crypto.Signer (8)
//	a TPM 2.0   tpm_tis_spi, tpm_tis_i2c      tpm-slb9670, tpm-slb9673           /dev/tpmrm0           package tpm   swtpm
//	in the SoC  bcm2835_wdt                   dtparam=watchdog=on                /dev/watchdog0        FindWatchdog  double (9)
//
// (1) The driver rtc-max31335 is for parts of its family and does not name this one: choose another, or bring a hal.RTC of your
// own.
//
// (2) MRAM is flash without erasing to spi-nor, and has no identity on its bus: its name must stand in the device tree. The path
// through MTD was tested on RAM, with Backed.
//
// (3) NOR must be erased a block at a time, so it is no hal.FRAM: OpenFRAM refuses it. UBI and UBIFS on it hold the journal's
// files and recipes, and StorageHealth reads how often its blocks were erased.
//
// (4) A supervisor that pulls the reset line warns of nothing and says nothing. A hal.Power wants a comparator on the rail before
// the regulator, on an input line (hal.NewPowerLine), and 10 ms of hold-up or more.
//
// (5) The kernel makes the edges by its own timer while the process feeds it. The part is a window watchdog: choose hw_margin_ms
// so that half of it lies inside the window, above its lower limit as well.
//
// (6) What matters here is whether they stamp packets in hardware (ethtool -T); PTP by software stamps is worse by a factor of a
// hundred.
//
// (7) TIOCSRS485 is taken by the PL011 and the mini UART of a Raspberry Pi; it was seen to be refused by the UART of a PC, and
// what a driver answers is read back. Without Kernel the transceiver must turn itself round.
//
// (8) The kernel's driver of the ATECC608B does not sign, and the SE050 has none: what signs by them must be brought along, as any
// crypto.Signer. A TPM has all that is wanted, and a counter.
//
// (9) At most 15 s: the counter behind it goes round after 16. It does not tell whether it has bitten.
package linux

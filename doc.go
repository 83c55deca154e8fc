// Package batchkit is the root of an SDK for batch controllers: a versioned recipe becomes a deterministic run - steps, I/O,
// metering, time - and a record that an inspector verifies with sha256sum and that anyone executes again, bit for bit.
//
// The root holds no code. Where to go:
//
//	to see it             go run ./examples/controller; examples/quickstart is one page
//	to run a batch        batch (Load, Bind), batch/runner (Run)
//	to run many batches   batch/executive (manager), examples/executive; batch/executive/arbiter (who gets what)
//	to work jobs off      batch/jobs (lists and schedulers), batch/unitrun, batch/executive/production; examples/executive -jobs
//	on several boards     batch/executive/bus (NATS), batch/executive/gate (wires), batch/store; examples/executive -nodes 3
//	to connect a board    iomap/tag (Port: two methods), hal (contracts), hal/linux (board files, drivers), hal/tpm
//	to reach a bus        fieldbus (tag maps, device profiles), fieldbus/line (a port of its devices); fieldbus/modbus, opcua and scale
//	to be seen by SCADA   batch/scada, over fieldbus/opcua/server; fieldbus/trend brings it the values; examples/scada
//	to bring a protocol   fieldbus/line (Device: four methods), fieldbus/bustest (Check)
//	to trust a board      hal/haltest (suites for devices and ports), examples/commission (the same on a board, with a sign-off)
//	to write a recipe     recipe (Parse: the language), iomap (the I/O map), metering (the calibration), iomap/cond (conditions)
//	to govern recipes     recipe/library
//	to read the evidence  batch/evidence, journal (the chain), journal/record (the record)
//	to keep it elsewhere  journal/export; batch/evidence/hub (many boards, for the long term)
//	to understand it      ARCHITECTURE.md; then sequencer, batch, batch/runner, in this order
//	to test without wires hal/sim (board, plant and faults), batch/runner (virtual time)
//	to test your recipes  batch/batchtest (Scenarios: scripts, stories, and a replay from every record)
//
// Imports go down only, through floors that ARCHITECTURE.md draws and package internal/tidy checks.
package batchkit

// Package unitrun keeps the runs of process units: periods in which a unit does one thing, such as making a batch, with their states, their
// material and the data that are captured meanwhile.
//
// Start with [NewTracker], tell it [Event]s with [Tracker.Step], and carry out the [Effect]s. It is pure: the same events lead to the same
// effects, so whoever keeps the events has the runs. A unit has one slot for each definition of runs that it is configured for; a slot is Idle
// or has one tracked run; runs that have ended and wait for post-processing are in no slot, and there may be any number of them. Definitions
// of one unit know nothing of each other.
//
// The rule that must not be broken: a run, a place in a trace and a line of descent are never deleted and never used again. What is taken back
// is taken back by another effect, as a whole or not at all.
//
// The life of a run, with all options on; Idle is its slot before it:
//
//	stateDiagram-v2
//	    [*] --> Idle
//	    Active --> Canceled for restart: cancel
//	    Active --> Paused: pause
//	    Active --> Ready: ready
//	    Created --> Canceled for restart: cancel
//	    Created --> Ready: ready
//	    Created --> Active: start
//	    Idle --> Created: create
//	    Idle --> Active: start
//	    Paused --> Canceled for restart: cancel
//	    Paused --> Ready: ready
//	    Paused --> Active: resume
//	    Paused --> Active: start
//	    Ready --> Finished: finish
//
// A command comes by message, or from a port as an edge of its level. A level that is high when it is seen first, after a start or after its
// quality was not GOOD, is no edge; it is told as Sampled. A command that is not possible is Refused, which says what is.
//
// # Scenario scripts
//
// "go test ./batch/unitrun -args -scenarios DIR" runs every *.txt of a directory, given as an absolute path, beside the package's own in
// testdata/scenarios, whose *.golden beside them say what each line comes to. One line is one event or one expectation, in the words of
// package internal/script; "at 10s" or "after 3s" before it moves the clock, which stands still else. A line that is refused fails unless
// "expect refused" follows. Where DIR has a folder unitrun its scripts are run instead, so that one DIR can be given to several packages.
//
//	scenario 1 a batch in R1               # a title; everything begins anew. It may be left out
//	definition Production reactor mixer    # classes of units that may have such runs
//	unit R1 reactor                        # a unit and its classes
//	slot R1 Production both auto-create post ready-unstarted no-link-paused test prefix=B- digits=4 capture=TT1,FT1 period=1s
//	slot R2 Production signal ident=di/5 create=di/1 active=di/2 ready=di/3 cancel=di/4
//	slot R3 Production by-message          # identifiers are given by message; "message" is the control, if none is named
//	unslot R1 Production                   # and: gone R1, gone Production
//	create R1 Production ident=B-7 batch=J-1/2 test   # a message; start too. ident, batch and test may be left out
//	pause R-000001                         # by run, or by unit and definition; resume, ready, finish, cancel likewise
//	signal di/1=high di/2=low di/3=bad di/5=B-8       # what ports have at one moment: high, low, not GOOD, or a text
//	boot                                   # the controller has been away
//	sample R-000001 TT1=45.2 FT1=3.1,STALE # values that were captured
//	register M1 test                       # material: known, and at no unit
//	arrive M1 R1 test                      # and: move M1 R2, exit M1, regenerate M1 R1
//	split M1 M2 M3                         # M2 and M3 are split off M1
//	merge M4 M2 M3                         # M4 is made of M2 and M3
//	clock unset                            # UTC is not known from here on; "clock set" again
//	expect R-000001 Active                 # the state of a run; of a slot: expect R1 Production Idle
//	expect code R-000001 131171
//	expect ident R-000001 B-0001
//	expect times R-000001 0s 10s -         # created, started, ended; "-" where it is not known
//	expect linked R-000001 M1 M2           # its materials, in order
//	expect inside R1 M1 M2                 # what is in a unit, in order
//	expect material M1 outside             # or exited, or a unit
//	expect trace M1 outside P1 !R1         # its places in order; "!" is invalid
//	expect refused possible: pause         # of the line before, the first refusal, for a reason in which that stands; again for each further one
//
// The package decides what happens. It does not read ports, keep time, measure, or write records; and a material is a piece or a lot by its
// name alone: it has no amount, so what a split or a merge takes is told of names.
package unitrun

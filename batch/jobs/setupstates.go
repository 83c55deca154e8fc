// The table of a set-up job.

package jobs

// setupTable is the life of a prepare or a clean-up. No set-up survives a restart: it is completed, what is left of it is taken
// away, and what there is to do is asked again.
var setupTable = table{
	name: "set-up",
	cues: (cueEnd - 1) &^ (cueRunning | cueReached | cueLost),
	rows: []row{
		{at: SetupInitial, name: "Initial", class: ClassIdle,
			arcs: []arc{
				{anyLoad | anyAbort | anyInterrupt, SetupCompleted, 0},
				{cueReady, SetupWaiting, 0},
				{cueContent, SetupInitial, actReplace},
				{cueContentNone, SetupCompleted, 0},
			},
			calm:    cueRest | cueOver | anyOutcome,
			refused: cueStart | cueStartAsk | cueStop | anyComplete | cueAcknowledge},
		{at: SetupWaiting, name: "Waiting", class: ClassWaiting,
			arcs: []arc{
				{anyLoad | anyAbort | anyInterrupt, SetupCompleted, 0},
				{cueStart, SetupRunning, actStart},
				{cueStartAsk, SetupRequestRecipe, actAsk},
				{cueContent, SetupWaiting, actReplace},
				{cueContentNone, SetupCompleted, 0},
			},
			calm:    cueRest | cueOver | anyOutcome,
			refused: cueReady | cueStop | anyComplete | cueAcknowledge},
		{at: SetupRunning, name: "Running", class: ClassRunning,
			arcs: []arc{
				{anyLoad, SetupCompleted, actClean},
				{anyAbort, SetupAborting, actAbort},
				{anyInterrupt, SetupInterrupting, actInterrupt},
				{cueSuccess, SetupCompleted, 0},
				{cueFailure, SetupRequestRecipe, actRetry | actAsk},
				{cueBlocked, SetupRetryBlocked, actRetry | actTell},
			},
			calm:    anyContent | cueRest | cueOver,
			refused: cueReady | cueStart | cueStartAsk | cueStop | anyComplete | cueAcknowledge},
		{at: SetupRequestRecipe, name: "RequestRecipe", class: ClassRunning,
			arcs: []arc{
				{anyLoad | anyAbort | anyInterrupt, SetupCompleted, 0},
				{cueContent, SetupRunning, actReplace | actStart},
				{cueContentNone, SetupCompleted, 0},
				{cueBlocked, SetupRetryBlocked, 0}, // who says so tells a person why
			},
			calm:    cueRest | cueOver | cueSuccess | cueFailure,
			refused: cueReady | cueStart | cueStartAsk | cueStop | anyComplete | cueAcknowledge},
		{at: SetupRetryBlocked, name: "RetryBlocked", class: ClassRunning,
			arcs: []arc{
				{anyLoad | anyAbort | anyInterrupt, SetupCompleted, 0},
				{cueAcknowledge, SetupRequestRecipe, actReset | actAsk},
			},
			calm:    anyContent | cueRest | cueOver | anyOutcome,
			refused: cueReady | cueStart | cueStartAsk | cueStop | anyComplete},
		{at: SetupInterrupting, name: "Interrupting", class: ClassCompleting,
			arcs: []arc{
				{anyLoad, SetupCompleted, actClean},
				{anyAbort, SetupAborting, actAbort},
				{cueRest, SetupCompleted, actClean},
				{cueOver, SetupCompleted, 0},
			},
			calm:    anyInterrupt | anyContent | anyOutcome,
			refused: cueReady | cueStart | cueStartAsk | cueStop | anyComplete | cueAcknowledge},
		{at: SetupAborting, name: "Aborting", class: ClassCompleting,
			arcs: []arc{
				{anyLoad, SetupCompleted, actClean},
				{cueOver, SetupCompleted, 0},
			},
			calm:    anyAbort | anyInterrupt | cueRest | anyContent | anyOutcome,
			refused: cueReady | cueStart | cueStartAsk | cueStop | anyComplete | cueAcknowledge},
		{at: SetupCompleted, name: "Completed", class: ClassCompleted,
			calm: cueRest | cueOver | anyContent | anyOutcome,
			refused: anyLoad | cueReady | cueStart | cueStartAsk | cueStop | anyComplete | anyAbort | anyInterrupt |
				cueAcknowledge},
	},
}

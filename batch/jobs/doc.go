// Package jobs works off a list of jobs: which recipe is made how often, in which order, with what set up before and cleaned up
// behind it.
//
// Start with [List]: NewList, Step with a Configure and an Add, and carry out what the effects order. It is pure: all that it
// knows it was told in events, so whoever reads the events that are on record has the same list, and [Event] has one spelling for
// that. A job is worked off by processes, and a process is one batch; a set-up job, a prepare or a clean-up, has a process for
// each of its steps.
//
// The rule that must not be broken: an effect Ordered is on record, with its event, before anybody carries it out; and a process
// is created by the id that the list gave it, so that whoever is told to Start it twice creates it once. Then nothing is run
// twice and nothing is lost.
//
// It does not talk to batches, give equipment, compute set-ups or look at a clock: its shell, batch/executive/production, does.
// [Setup] is the exception: it makes the steps of a set-up from triggers, for who wants that.
//
// # Groups
//
// A slot belongs to a group: jobs of one recipe, their prepare, their clean-up. A group is open until its clean-up starts, and is
// there for as long as it has a slot. After every event all of this is looked at again, so that nobody has to offer a job or ask
// again:
//
//   - Joining. The first idle job of a recipe, where its neighbour in the list, on either side, belongs to an open group of that
//     recipe. Only the first: no job is taken over an earlier one of its recipe. Neighbours are production jobs; set-up jobs,
//     jobs that were set aside, and idle jobs that an Interrupt holds do not stand between.
//   - Opening. The first idle job of the list gets a group, where there is a slot. A job whose recipe is not known yet, or that
//     is set aside or held, stands back and holds up nobody but its recipe.
//   - Prepare. It is asked what there is to do (AskContent), and where that is nothing it is done. Where nobody can say, the jobs
//     of the group are set aside with the reason, the group is dissolved, and the list goes on. Where no job needs it any more it
//     is aborted.
//   - Jobs of a group run one after the other in the order of the list, those that are resumed first: the next starts when the one before
//     dispatches no more. One process is ordered ahead: the next is ordered when the newest has begun.
//   - Clean-up. It starts when every job of the group is over, asks then what there is to do, and is always done once a process
//     of the group was ordered, a step of its prepare too. When it is done the slot is free.
//
// Parallel has n slots; a group has its slot from its prepare to the end of its clean-up. Seamless has one running slot and any
// number of completing ones. A group in the running slot gives way, and completes beside, when another group needs the slot and
// all of its own jobs are Completing; it leaves it anyway when its clean-up starts. An idle job that is the first of the list,
// next to an open group in a completing slot, brings that group back. SlotAvailable says that another group could have a slot,
// once, when that becomes so.
//
// A decision takes about the logarithm of the length of the list, and longer only where it is about many jobs at once.
//
// A job that is suspended or interrupted by a person keeps its place: its group keeps the slot until it goes on or ends.
//
// # Stop and restart
//
// Halt interrupts every job. Boot says which processes are there. One that was ordered and is not there is ordered again by the
// same id; one that had begun and is not there counts as failed and is told to a person, and is not run again. Jobs of which
// processes rest are resumed, and their group has a resume slot until one of them goes on; where the recipe forbids to resume
// what was cut off hard (RecipeInfo.NoResume) the job goes to CleanUp, and Effect.Recovery says so. A process that a person had
// put on hold is not resumed: whoever holds it lets it go on. No set-up survives a Boot: what is left of it is taken away, and
// what there is to do is asked anew. A group of which nothing was ordered gives its slot back.
//
// # Where this list differs
//
// Its anchors are MORYX and a document about it, and they differ in places, or say nothing. How each was decided:
//
//  1. Which job holds the running slot when A1 completes and A2 follows: the group holds it. [SlotView] shows A2, the job that
//     dispatches.
//  2. When the running slot is free for another recipe: when the clean-up starts. With Rules.KeepSlot, for a sequence of which a
//     job was aborted or interrupted, when the clean-up is completed, as the document's last rule says.
//  3. When a slot of Parallel is released: when the clean-up is completed. The machine is clear before somebody else has the slot.
//  4. How long a group grows: until its clean-up starts. A job that comes later has a group, a prepare and a clean-up of its own.
//  5. What completing slots hold: groups, so production jobs, too.
//  6. In which order idle jobs are looked at: that of the list. What is refused holds up only later jobs of its own recipe.
//  7. What a hard cut does: MORYX cleans up every job that was running. Here what the record has recovered is resumed, but for
//     NoResume.
//  8. Where a suspended job goes when it is drained: to Waiting. It stays there until Continue.
//
// Five things that the rules of MORYX allow cannot happen, since the group has the slot and admission is looked at again after
// every event: a job that was refused while its prepare ran and is never offered again (H1: it joins at once); a clean-up that is
// left out because another one runs ahead (H2: a new group has its own); a clean-up that is lost with its prepare (H3); a
// decision by a state that is not on record yet (H4: there is no other); and a job that counts as completing because it is listed
// (H5: a group has only what it took in).
//
// # Scenario scripts
//
// "go test ./batch/jobs -args -scenarios DIR" runs every *.txt of a directory, given as an absolute path, beside the package's own in
// testdata/scenarios, whose *.golden beside them say what each line comes to. One line is one event, or one expectation of what the
// event before came to, in the words of package internal/script. A line that is refused fails unless "expect refused" follows. Where
// DIR has a folder jobs its scripts are run instead, so that one DIR can be given to several packages at once.
//
// A name of a job begins with that of its recipe, as A1 or MIX-7, unless recipe= names another one. Set-up jobs are pA and cA,
// prepare and clean-up of recipe A, the second ones pA.2 and cA.2; groups are A.1, A.2; processes of A1 are A1/1, A1/2. There is a
// plant beside the list, in which a process does nothing but what the script says, or "tick" lets it do. What is asked is answered
// at once as the recipe says, with no steps for set-ups if it says nothing.
//
//	scenario P5 the next job starts        # a title; everything begins anew
//	scheduler parallel 3 retries=1 complete-idle
//	scheduler seamless keep-slot
//	recipe A prepare=1 cleanup=2 ticks=3 product=GEAR # steps of its set-ups, or later, or fails; ticks that a process of it runs
//	recipe B later                         # nobody answers yet; a second line answers
//	recipe B missing it was deleted        # and: recipe B no-resume what was cut off is scrap
//	add A1 A2 amount=3                     # in one event; 1 process each if not said, 0 until complete; also product= unit= size= priority=
//	add X1 recipe=B before A1              # or: first, after A1, after-recipe
//	add A9 A1 B9 A2 around                 # A1 and A2 stand in the list
//	abort A1                               # complete, interrupt, suspend, continue and retry likewise
//	acknowledge pA off=step1               # a step that is switched off
//	content pA steps 2                     # or none, or: fails WHY
//	process A1/1 Running                   # Interrupted, Discarded, Success and Failure likewise; reworked behind the last two
//	unheard A1/1 Success                   # as process, but nobody tells the list
//	tick 5                                 # each tick every process goes on by a stage
//	run                                    # ticks until none goes on
//	halt
//	cut A1/2                               # the power fails: what runs rests; what is named was never made
//	crash                                  # the process of the list dies, and the batches go on
//	boot                                   # with what is there, or with what is named: boot A1/1=Running A1/2=Awaited
//	expect slots 1=A1 2=-                  # all of them, and who works by each
//	expect order pA A1 cA                  # the whole list; expect idle: nothing is in it
//	expect state A1 Running                # or gone
//	expect group A1 A.1                    # or none
//	expect counts A1 begun=2 running=1 success=1 failure=0 reworked=0 dropped=0 # any of them
//	expect starts A1/1 pB/1                # what was ordered, or none; drops, pauses, resumes, aborts and cleans likewise
//	expect slot-available                  # and: expect no slot-available
//	expect aside A1 it was deleted         # set aside for a reason in which that stands; notify likewise: what a person is told
//	expect strays A1/7                     # processes that a boot finds and that belong to no job, or none
//	expect refused is not in the list      # for a reason in which that stands
package jobs

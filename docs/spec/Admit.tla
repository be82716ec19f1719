------------------------------- MODULE Admit --------------------------------
(***************************************************************************)
(* The protocol of `admit`, a bounded pool of worker threads.              *)
(*                                                                         *)
(* docs/PROTOCOL.md tells the same story in prose; the names of its events *)
(* (E-POP, Q-INSTALL, W-WATCH, ...) stand beside the actions here.  One    *)
(* action is one successful atomic operation of the code, on the word, a   *)
(* cell of the ring, a task's state, a slot's mail or the ticket, together *)
(* with the load that its compare-and-swap (CAS) confirms.  A CAS that     *)
(* fails changes nothing and is not modelled: the code tries again.  Where *)
(* the code acts on a load that nothing confirms, the load is an action.   *)
(*                                                                         *)
(* Every change of the word and of a cell is an operator of Transitions,   *)
(* generated from transitions.tsv, the table that the proofs and the tests *)
(* of the code use too.                                                    *)
(*                                                                         *)
(* Modelled: admission, waiting in line, time-outs, `try_spawn`, the run   *)
(* of a task and its panic, join, wait, close, the workers' end; every     *)
(* sleep with its mark, its futex and its wake-up, wake-ups for nothing;   *)
(* one thread that stops for ever at any point.                            *)
(*                                                                         *)
(* Left out: weak memory (this is sequentially consistent; loom has the    *)
(* orderings); the link and the stamp of the stack (it is a sequence, and  *)
(* the word's `free` its length); wrapping numbers; the seats, taken one   *)
(* for each submitter; who frees a task's cell; submitters that are tasks  *)
(* of the pool (NEST).  A thread that the operating system refuses (`short`, *)
(* slots set aside, the bounce) is the subject of Refused.tla, which builds  *)
(* on this module.                                                         *)
(***************************************************************************)
EXTENDS Integers, Sequences, FiniteSets

CONSTANTS
    Max,           \* how many slots there are
    Cells,         \* how many cells the ring has
    Submitters,    \* 1..n: each submits one task, which has its number
    Timed,         \* those of them that call spawn_timeout
    Trying,        \* those that call try_spawn; the others call spawn
    Joining,       \* those that join their task; the others drop the handle
    Panics,        \* the tasks that panic
    Running,       \* 1..k: those that run when it begins, as if just admitted
    Waiters,       \* 1..n: each calls `wait` once
    TimedWaiters,  \* those of them that call wait_timeout
    Closing,       \* whether somebody may close the pool
    Spurious,      \* whether sleepers may wake up for nothing
    Stopping,      \* whether one thread may stop for ever
    Bug            \* the name of a planted bug, or "none"

Room == Cells - 1  \* how many positions can be counted

INSTANCE Transitions

Slots == 1..Max
Home  == Cardinality(Submitters) + 1   \* mail that sends a worker home
None  == 0
Begun == Cardinality(Running)

ASSUME /\ Max > 0 /\ Cells > 1
       /\ Submitters = 1..Cardinality(Submitters)
       /\ Timed \union Trying \union Joining \union Panics \subseteq Submitters
       /\ Running = 1..Cardinality(Running) /\ Cardinality(Running) <= Max
       /\ Running \intersect (Timed \union Trying \union Joining) = {}
       /\ Timed \intersect Trying = {}
       /\ TimedWaiters \subseteq Waiters

VARIABLES
    word,     \* THE word: what all threads have to agree on
    stack,    \* the free slots, the top one first
    cell,     \* the ring: position `at`, and who sits there, or None
    task,     \* a task's state, and whether somebody sleeps on it
    mail,     \* a slot's mail: a job, and whether its worker sleeps on it
    ticket,   \* what waiters sleep on
    sub,      \* the submitters, which join later
    worker,   \* the workers, by slot
    waiter,   \* the callers of `wait`
    closer,   \* the caller of `close`
    runs,     \* history: how often a task has run
    stopped   \* the thread that has stopped for ever

vars == <<word, stack, cell, task, mail, ticket, sub, worker, waiter, closer,
          runs, stopped>>

TailOf(w) == w.head + w.waiting        \* the position behind the last counted
CellOf(p) == cell[p % Cells]
Nothing   == [free |-> 0, waiting |-> 0, head |-> 0, closed |-> 0,
              watched |-> 0, wave |-> 0, short |-> 0]

Nobody    == <<"nobody", 0>>
S(s)      == <<"submitter", s>>
W(x)      == <<"worker", x>>
V(v)      == <<"waiter", v>>
C         == <<"closer", 0>>
Goes(t)   == stopped # t               \* thread t has not stopped for ever
Right(b)  == Bug # b                   \* the bug b is not planted

Init ==
    \* Positions start one lap in: every cell is older than any of them.
    /\ word    = [free |-> Max - Begun, waiting |-> 0, head |-> Cells,
                  closed |-> 0, watched |-> 0, wave |-> 0, short |-> 0]
    /\ stack   = [i \in 1..Max - Begun |-> i + Begun]
    /\ cell    = [i \in 0..Cells - 1 |-> [at |-> 0, seat |-> None]]
    /\ task    = [s \in Submitters |->
                    [status |-> "made", result |-> "none", asleep |-> FALSE]]
    /\ mail    = [x \in Slots |-> [job |-> None, asleep |-> FALSE]]
    /\ ticket  = 0
    /\ sub     = [s \in Submitters |->
                    [pc   |-> IF s \in Running THEN "done" ELSE "new",
                     seen |-> Nothing,       \* the word as it was loaded
                     pos  |-> 0,             \* the position it sits at
                     slot |-> None,          \* the slot it has popped
                     refused |-> FALSE,      \* it had no thread for one (Refused)
                     goal |-> IF s \in Running THEN "release" ELSE "admission",
                                             \* what it sleeps for; then "release"
                     saw  |-> "made",        \* the status it sleeps on
                     late |-> FALSE,         \* its time is up
                     out  |-> IF s \in Running THEN "ok" ELSE "none",
                                             \* what spawn returned
                     got  |-> "none"]]       \* what join returned
    /\ worker  = [x \in Slots |->
                    [pc   |-> IF x \in Running THEN "run" ELSE "vacant",
                                             \* vacant: no thread yet
                     task |-> IF x \in Running THEN x ELSE None,
                                             \* the task in its hands
                     pos  |-> 0,             \* the position it has taken
                     then |-> "none",        \* where it goes on after a detour
                     wake |-> None,          \* whom it is about to wake
                     next |-> None,          \* the task that it goes on with
                     left |-> {}]]           \* those it has to send home
    /\ waiter  = [v \in Waiters |->
                    [pc |-> "call", wave |-> 0, ticket |-> 0, got |-> FALSE,
                     calm |-> FALSE]]        \* history: quiescent since the call
    /\ closer  = [pc |-> IF Closing THEN "call" ELSE "done",
                  left |-> {}, wake |-> None]
    /\ runs    = [s \in Submitters |-> 0]
    /\ stopped = Nobody

-----------------------------------------------------------------------------
(* SUBMITTERS.  `enter` is where a submitter starts over.                   *)

\* Two of a kind differ in nothing but their numbers, so they may as well begin
\* in that order.  This spares TLC the permutations and loses no execution.
Alike(s, t) == \A kind \in {Timed, Trying, Joining, Panics} :
                 s \in kind <=> t \in kind
MayBegin(s) == \A t \in 1..s - 1 : sub[t].pc = "new" => ~ Alike(t, s)
Enters(s)   == sub[s].pc = "enter" \/ (sub[s].pc = "new" /\ MayBegin(s))

\* It has been told that its task is accepted: spawn returns, and it joins.
Accepted(s) ==
    sub' = [sub EXCEPT ![s].pc   = IF s \in Joining THEN "look" ELSE "done",
                       ![s].goal = "release",
                       ![s].out  = "ok",
                       ![s].pos  = 0, ![s].slot = None, ![s].saw = "made",
                       ![s].late = FALSE, ![s].refused = FALSE]

Refused(s, why) ==
    sub' = [sub EXCEPT ![s].pc = "done", ![s].out = why, ![s].pos = 0,
                       ![s].seen = Nothing, ![s].saw = "made",
                       ![s].late = FALSE, ![s].refused = FALSE]

\* Not too late: the pool is open; or it has held a slot, for which there was no
\* thread, and its task is admitted since.
InTime(s)   == word.closed = 0 \/ sub[s].refused
MayPop(s)   == InTime(s) /\ (PopEnabled(word) \/ RepopEnabled(word))
MayCount(s) == InTime(s) /\ (CountEnabled(word) \/ RecountEnabled(word))

\* Closed; for who is admitted, over: no worker is left, and there was no thread.
S_Closed(s) ==
    /\ Enters(s) /\ word.closed = 1
    /\ ~ InTime(s) \/ word.free = Max
    /\ Refused(s, IF sub[s].refused THEN "full" ELSE "closed")
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, worker, waiter,
                   closer, runs>>

\* E-POP: this CAS is the admission, and it picks the worker.
S_Pop(s) ==
    /\ Enters(s) /\ MayPop(s)
    /\ Right("check")
    /\ word'  = PopDo(word)
    /\ stack' = Tail(stack)
    /\ sub'   = [sub EXCEPT ![s].pc = "hand", ![s].slot = Head(stack)]
    /\ UNCHANGED <<cell, task, mail, ticket, worker, waiter, closer, runs>>

\* The pool is full, and it may not wait; or as many wait already as can be
\* counted.  (`spawn` then looks again every ten milliseconds, unordered.)
S_Full(s) ==
    /\ Enters(s) /\ InTime(s) /\ word.free = 0
    /\ s \in Trying \/ (s \in Timed /\ word.waiting = Room)
    /\ Refused(s, "full")
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, worker, waiter,
                   closer, runs>>

\* The pool is full, and it may wait.  Q-SIT is not modelled: a seat has the
\* number of its submitter.
S_Load(s) ==
    /\ Enters(s) /\ s \notin Trying
    /\ InTime(s) /\ word.free = 0 /\ word.waiting < Room
    /\ sub' = [sub EXCEPT ![s].pc = "install", ![s].seen = word]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, worker, waiter,
                   closer, runs>>

\* Q-INSTALL at the tail, if nothing is there.
S_Install(s) ==
    LET p == TailOf(sub[s].seen) IN
    /\ sub[s].pc = "install"
    /\ IF InstallEnabled(CellOf(p), p)
       THEN /\ cell' = [cell EXCEPT ![p % Cells] = InstallDo(@, p, s)]
            /\ sub'  = [sub EXCEPT ![s].pc = "count", ![s].pos = p,
                                   ![s].seen = Nothing]
       ELSE /\ sub' = [sub EXCEPT ![s].pc = "help"]
            /\ UNCHANGED cell
    /\ UNCHANGED <<word, stack, task, mail, ticket, worker, waiter, closer,
                   runs>>

\* E-COUNT for another, whose entry (or hole) is at the tail and who may be
\* stopped.  Done once, from the word that named this tail; then over again.
S_Help(s) ==
    /\ sub[s].pc = "help"
    /\ Right("nohelp") \/ CellOf(TailOf(sub[s].seen)).seat = None
    /\ word' = IF word = sub[s].seen THEN CountDo(word) ELSE word
    /\ sub'  = [sub EXCEPT ![s].pc = "enter", ![s].seen = Nothing]
    /\ UNCHANGED <<stack, cell, task, mail, ticket, worker, waiter, closer,
                   runs>>

\* Q-COUNT: its own position, unless a helper has.
S_Count(s) ==
    /\ sub[s].pc = "count"
    /\ IF word.free = 0 /\ sub[s].pos < TailOf(word)
       THEN /\ sub' = [sub EXCEPT ![s].pc = "look"]
            /\ UNCHANGED word
       ELSE IF MayCount(s)
       THEN /\ word' = CountDo(word)
            /\ sub'  = [sub EXCEPT ![s].pc = "look"]
       ELSE \* idle after all, or closed, or no room
            /\ sub' = IF Bug = "leave" /\ word.free > 0
                      THEN [sub EXCEPT ![s].pc = "enter", ![s].pos = 0]
                      ELSE [sub EXCEPT ![s].pc = "withdraw"]
            /\ UNCHANGED word
    /\ UNCHANGED <<stack, cell, task, mail, ticket, worker, waiter, closer,
                   runs>>

\* Q-WITHDRAW: fails if a worker has claimed the task, and then that worker's
\* answer is sure to come: it sleeps without a deadline.
S_Withdraw(s) ==
    LET p == sub[s].pos IN
    /\ sub[s].pc = "withdraw"
    /\ IF WithdrawEnabled(CellOf(p), p, s)
       THEN /\ cell' = [cell EXCEPT ![p % Cells] = WithdrawDo(@)]
            /\ sub'  = [sub EXCEPT ![s].pc = "sweep", ![s].pos = 0]
       ELSE /\ sub' = [sub EXCEPT ![s].pc =
                         IF Right("lost") THEN "look" ELSE "sweep"]
            /\ UNCHANGED cell
    /\ UNCHANGED <<word, stack, task, mail, ticket, worker, waiter, closer,
                   runs>>

\* Q-SWEEP takes dead positions at the head out of the count.
SweepEnds(s) ==
    IF sub[s].late THEN Refused(s, "full")
    ELSE sub' = [sub EXCEPT ![s].pc = "enter", ![s].seen = Nothing]

S_Sweep(s) ==
    /\ sub[s].pc = "sweep"
    /\ IF word.waiting > 0
       THEN sub' = [sub EXCEPT ![s].pc = "pass", ![s].seen = word]
       ELSE SweepEnds(s)
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, worker, waiter,
                   closer, runs>>

\* E-TAKE for a position that is over.  The look at the cell and the CAS are
\* one step, since a cell that is over stays so while the head stands.
S_Pass(s) ==
    LET h == sub[s].seen.head IN
    /\ sub[s].pc = "pass"
    /\ IF CellOf(h) = [at |-> h, seat |-> None]
       THEN /\ word' = IF word = sub[s].seen THEN TakeDo(word) ELSE word
            /\ sub'  = [sub EXCEPT ![s].pc = "sweep", ![s].seen = Nothing]
       ELSE /\ SweepEnds(s)
            /\ UNCHANGED word
    /\ UNCHANGED <<stack, cell, task, mail, ticket, worker, waiter, closer,
                   runs>>

\* With a slot in hand: the worker that lives there gets slot and task by
\* mail; if there is none, a thread is started with them.
S_Hand(s) ==
    LET x == sub[s].slot IN
    /\ sub[s].pc = "hand"
    /\ IF worker[x].pc = "vacant"
       THEN /\ worker' = [worker EXCEPT ![x].pc = "run", ![x].task = s]
            /\ Accepted(s)
            /\ UNCHANGED mail
       ELSE /\ mail' = [mail EXCEPT ![x] = [job |-> s, asleep |-> FALSE]]
            /\ IF mail[x].asleep
               THEN sub' = [sub EXCEPT ![s].pc = "ring"]
               ELSE Accepted(s)
            /\ UNCHANGED worker
    /\ UNCHANGED <<word, stack, cell, task, ticket, waiter, closer, runs>>

\* The system call that wakes a worker, if it sleeps.
Ring(x) ==
    worker' = IF worker[x].pc = "asleep"
              THEN [worker EXCEPT ![x].pc = "receive"] ELSE worker

S_Ring(s) ==
    /\ sub[s].pc = "ring"
    /\ Ring(sub[s].slot)
    /\ Accepted(s)
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, waiter, closer,
                   runs>>

(* Sleeping on the task's state: for admission, later for the release.  The *)
(* sleeper marks the very word that is going to change, and the futex does  *)
(* not sleep if that word has changed since.                                *)

Answered(s) == IF sub[s].goal = "admission" THEN task[s].status # "made"
                                            ELSE task[s].status = "released"

\* The CAS that marks the word; if it fails, what it has read is the answer.
S_Look(s) ==
    /\ sub[s].pc = "look"
    /\ IF ~ Answered(s)
       THEN /\ task' = [task EXCEPT ![s].asleep = TRUE]
            /\ sub'  = [sub EXCEPT ![s].pc = "doze", ![s].saw = task[s].status]
       ELSE /\ IF sub[s].goal = "admission" THEN Accepted(s)
               ELSE sub' = [sub EXCEPT ![s].pc = "done", ![s].saw = "made",
                                       ![s].got = task[s].result]
            /\ UNCHANGED task
    /\ UNCHANGED <<word, stack, cell, mail, ticket, worker, waiter, closer,
                   runs>>

\* The system call: it compares and sleeps in one.
S_Doze(s) ==
    /\ sub[s].pc = "doze"
    /\ sub' = [sub EXCEPT ![s].pc =
                 IF (task[s].asleep /\ task[s].status = sub[s].saw)
                    \/ Bug = "nocompare"
                 THEN "asleep" ELSE "look"]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, worker, waiter,
                   closer, runs>>

\* Its time is up: the mark is taken back.  If an answer has come, there is
\* nothing to withdraw.
S_Unmark(s) ==
    /\ sub[s].pc = "unmark"
    /\ task' = [task EXCEPT ![s].asleep = FALSE]
    /\ sub'  = [sub EXCEPT ![s].pc = "withdraw", ![s].late = TRUE,
                            ![s].saw = "made"]
    /\ UNCHANGED <<word, stack, cell, mail, ticket, worker, waiter, closer,
                   runs>>

\* The environment: time passes, and sleepers wake up for nothing.
S_TimeUp(s) ==
    /\ s \in Timed /\ sub[s].goal = "admission" /\ ~ sub[s].late
    /\ sub[s].pc \in {"doze", "asleep"}
    /\ sub' = [sub EXCEPT ![s].pc = "unmark"]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, worker, waiter,
                   closer, runs>>

S_Spurious(s) ==
    /\ Spurious /\ sub[s].pc = "asleep"
    /\ sub' = [sub EXCEPT ![s].pc = "look"]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, worker, waiter,
                   closer, runs>>

-----------------------------------------------------------------------------
(* WORKERS.  Run, give the slot back, or on to a task that is claimed;      *)
(* release the task that has run; go on with the other, or sleep until mail  *)
(* comes.                                                                   *)

\* The task runs; its value, or its panic, is written, and FINISHED is set.
\* (A task that never ends is a worker that has stopped in it.)
W_Run(x) ==
    LET t == worker[x].task IN
    /\ worker[x].pc = "run"
    /\ runs'   = [runs EXCEPT ![t] = @ + 1]
    /\ task'   = [task EXCEPT
                    ![t].status = IF Right("early") THEN "finished"
                                                    ELSE "released",
                    ![t].result = IF t \in Panics /\ Right("swallow")
                                     THEN "panic" ELSE "value"]
    /\ worker' = [worker EXCEPT ![x].pc = "give"]
    /\ UNCHANGED <<word, stack, cell, mail, ticket, sub, waiter, closer>>

\* The slot is given back.  Only now, or when it is given on to a task that
\* lives (W_Claim), may `join` return (FREE); then the worker goes on.
Given(x, onward) ==
    worker' = [worker EXCEPT ![x].pc = "release", ![x].then = onward]

\* E-TAKE (Q-TAKE): the worker keeps its slot and owns the position.
W_Take(x) ==
    /\ worker[x].pc = "give" /\ TakeEnabled(word)
    /\ Right("twice")
    /\ word' = TakeDo(word)
    /\ LET p == IF Right("newest") THEN word.head ELSE TailOf(word) - 1
       IN worker' = [worker EXCEPT ![x].pos = p, ![x].pc = "claim"]
    /\ UNCHANGED <<stack, cell, task, mail, ticket, sub, waiter, closer, runs>>

\* The pool is quiescent: whoever waits has had its moment (history).
Calm(now) ==
    waiter' = [v \in Waiters |->
                 IF now /\ waiter[v].pc \notin {"call", "done"}
                 THEN [waiter[v] EXCEPT !.calm = TRUE] ELSE waiter[v]]

\* Where a worker goes that has pushed its slot.  *Over* is said once, by the
\* CAS that makes the pool closed and quiescent.
Onward(w) == IF w.closed = 1 /\ w.free = Max /\ Right("stay")
             THEN "dismiss" ELSE "receive"

\* E-PUSH, which is E-QUIET if it is the last slot and nobody watches.
W_Push(x) ==
    /\ worker[x].pc = "give"
    /\ \/ PushEnabled(word) /\ word' = PushDo(word)
       \/ FillEnabled(word) /\ word' = FillDo(word)
    /\ stack' = <<x>> \o stack
    /\ Given(x, Onward(word'))
    /\ Calm(word'.free = Max)
    /\ UNCHANGED <<cell, task, mail, ticket, sub, closer, runs>>

\* W-QUIET: the last slot, and somebody watches.  The same CAS clears
\* `watched` and advances the wave.
W_Quiet(x) ==
    /\ worker[x].pc = "give" /\ QuietEnabled(word)
    /\ Right("outside") /\ Right("before")
    /\ word'   = IF Right("nowave") THEN QuietDo(word)
                 ELSE [QuietDo(word) EXCEPT !.wave = word.wave]
    /\ stack'  = <<x>> \o stack
    /\ worker' = [worker EXCEPT ![x].pc = "notify", ![x].then = Onward(word')]
    /\ Calm(TRUE)
    /\ UNCHANGED <<cell, task, mail, ticket, sub, closer, runs>>

\* Then it makes all tickets stale,
W_Notify(x) ==
    /\ worker[x].pc = "notify"
    /\ ticket' = ticket + 1
    /\ worker' = [worker EXCEPT ![x].pc = "rouse"]
    /\ UNCHANGED <<word, stack, cell, task, mail, sub, waiter, closer, runs>>

\* and wakes their sleepers.
W_Rouse(x) ==
    /\ worker[x].pc = "rouse"
    /\ waiter' = [v \in Waiters |-> IF waiter[v].pc = "asleep"
                                    THEN [waiter[v] EXCEPT !.pc = "listen"]
                                    ELSE waiter[v]]
    /\ worker' = [worker EXCEPT ![x].pc = "release"]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, closer, runs>>

\* RELEASED is set, in place of the sleeper's mark.
W_Release(x) ==
    LET t == worker[x].task IN
    /\ worker[x].pc = "release"
    /\ task'   = [task EXCEPT ![t].status = "released", ![t].asleep = FALSE]
    /\ worker' = IF task[t].asleep
                 THEN [worker EXCEPT ![x].pc = "wake", ![x].wake = t,
                                     ![x].task = worker[x].next,
                                     ![x].next = None]
                 ELSE [worker EXCEPT ![x].pc = worker[x].then,
                                     ![x].then = "none",
                                     ![x].task = worker[x].next,
                                     ![x].next = None]
    /\ UNCHANGED <<word, stack, cell, mail, ticket, sub, waiter, closer, runs>>

\* The system call that wakes a submitter or joiner, if it sleeps.
W_Wake(x) ==
    LET t == worker[x].wake IN
    /\ worker[x].pc = "wake"
    /\ sub'    = IF sub[t].pc = "asleep"
                 THEN [sub EXCEPT ![t].pc = "look"] ELSE sub
    /\ worker' = [worker EXCEPT ![x].pc = worker[x].then, ![x].wake = None,
                                ![x].then = "none"]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, waiter, closer,
                   runs>>

\* Q-CLAIM: the task at the position that it has taken, or one left there by
\* a worker stopped for a lap.  A cell with nothing in it is sealed; the slot
\* is then given back once more.
W_Claim(x) ==
    LET p == worker[x].pos
        c == CellOf(p) IN
    /\ worker[x].pc = "claim"
    /\ IF ClaimEnabled(c, p)
       THEN /\ cell' = [cell EXCEPT ![p % Cells] = ClaimDo(@)]
            /\ worker' = [worker EXCEPT ![x].pc = "release", ![x].pos = 0,
                                        ![x].then = "admit",
                                        ![x].next = c.seat]
       ELSE IF InheritEnabled(c, p)
       THEN /\ cell' = [cell EXCEPT ![p % Cells] = InheritDo(@, p)]
            /\ worker' = [worker EXCEPT ![x].pc = "release", ![x].pos = 0,
                                        ![x].then = "admit",
                                        ![x].next = c.seat]
       ELSE /\ cell' = IF SealEnabled(c, p) /\ Right("noseal")
                       THEN [cell EXCEPT ![p % Cells] = SealDo(@, p)]
                       ELSE cell
            /\ worker' = [worker EXCEPT ![x].pc = "give", ![x].pos = 0]
    /\ UNCHANGED <<word, stack, task, mail, ticket, sub, waiter, closer, runs>>

\* Q-ADMIT: ADMITTED is set, in place of the sleeper's mark.
W_Admit(x) ==
    LET t == worker[x].task IN
    /\ worker[x].pc = "admit"
    /\ task'   = [task EXCEPT ![t].status = "admitted", ![t].asleep = FALSE]
    /\ worker' = IF task[t].asleep /\ Right("mute")
                 THEN [worker EXCEPT ![x].pc = "wake", ![x].wake = t,
                                     ![x].then = "run"]
                 ELSE [worker EXCEPT ![x].pc = "run"]
    /\ UNCHANGED <<word, stack, cell, mail, ticket, sub, waiter, closer, runs>>

(* Sleeping on the slot's mail.                                             *)

W_Receive(x) ==
    /\ worker[x].pc = "receive"
    /\ IF mail[x].job = None
       THEN /\ mail'   = [mail EXCEPT ![x].asleep = TRUE]
            /\ worker' = [worker EXCEPT ![x].pc = "doze"]
       ELSE /\ mail'   = [mail EXCEPT ![x].job = None]
            /\ worker' = IF mail[x].job = Home
                         THEN [worker EXCEPT ![x].pc = "gone"]
                         ELSE [worker EXCEPT ![x].pc = "run",
                                             ![x].task = mail[x].job]
    /\ UNCHANGED <<word, stack, cell, task, ticket, sub, waiter, closer, runs>>

W_Doze(x) ==
    /\ worker[x].pc = "doze"
    /\ worker' = [worker EXCEPT ![x].pc =
                    IF mail[x].asleep THEN "asleep" ELSE "receive"]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, waiter, closer,
                   runs>>

W_Spurious(x) ==
    /\ Spurious /\ worker[x].pc = "asleep"
    /\ worker' = [worker EXCEPT ![x].pc = "receive"]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, waiter, closer,
                   runs>>

(* The end: whoever makes the pool closed and quiescent sends every worker  *)
(* home, by mail to the slots, which nobody can pop any more.               *)

Least(set) == CHOOSE y \in set : \A z \in set : y <= z
Manned     == {y \in Slots : worker[y].pc # "vacant"}

W_Dismiss(x) ==
    /\ worker[x].pc = "dismiss"
    /\ worker' = [worker EXCEPT ![x].pc = "send", ![x].left = Manned,
                                ![x].then = "none"]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, waiter, closer,
                   runs>>

W_Send(x) ==
    /\ worker[x].pc = "send"
    /\ IF worker[x].left = {}
       THEN /\ worker' = [worker EXCEPT ![x].pc = "receive"]
            /\ UNCHANGED mail
       ELSE LET y == Least(worker[x].left) IN
            /\ mail'   = [mail EXCEPT ![y] = [job |-> Home, asleep |-> FALSE]]
            /\ worker' = IF mail[y].asleep
                         THEN [worker EXCEPT ![x].pc = "ring", ![x].wake = y]
                         ELSE [worker EXCEPT ![x].left = @ \ {y}]
    /\ UNCHANGED <<word, stack, cell, task, ticket, sub, waiter, closer, runs>>

W_Ring(x) ==
    LET y == worker[x].wake IN
    /\ worker[x].pc = "ring"
    /\ worker' = [z \in Slots |->
         IF z = x THEN [worker[x] EXCEPT !.pc = "send", !.wake = None,
                                         !.left = @ \ {y}]
         ELSE IF z = y /\ worker[y].pc = "asleep"
              THEN [worker[y] EXCEPT !.pc = "receive"] ELSE worker[z]]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, waiter, closer,
                   runs>>

C_Close ==
    /\ closer.pc = "call" /\ CloseEnabled(word)
    /\ word'   = CloseDo(word)
    /\ closer' = IF word.free = Max /\ Right("stay")
                 THEN [closer EXCEPT !.pc = "send", !.left = Manned]
                 ELSE [closer EXCEPT !.pc = "done"]
    /\ UNCHANGED <<stack, cell, task, mail, ticket, sub, worker, waiter, runs>>

C_Send ==
    /\ closer.pc = "send"
    /\ IF closer.left = {}
       THEN /\ closer' = [closer EXCEPT !.pc = "done"]
            /\ UNCHANGED mail
       ELSE LET y == Least(closer.left) IN
            /\ mail'   = [mail EXCEPT ![y] = [job |-> Home, asleep |-> FALSE]]
            /\ closer' = IF mail[y].asleep
                         THEN [closer EXCEPT !.pc = "ring", !.wake = y]
                         ELSE [closer EXCEPT !.left = @ \ {y}]
    /\ UNCHANGED <<word, stack, cell, task, ticket, sub, worker, waiter, runs>>

C_Ring ==
    /\ closer.pc = "ring"
    /\ Ring(closer.wake)
    /\ closer' = [closer EXCEPT !.pc = "send", !.left = @ \ {closer.wake},
                                !.wake = None]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, waiter, runs>>

-----------------------------------------------------------------------------
(* WAITERS.                                                                 *)

V_Returns(v, answer) ==
    waiter' = [waiter EXCEPT ![v].pc = "done", ![v].got = answer,
                             ![v].ticket = 0, ![v].wave = 0,
                             ![v].calm = @ /\ answer]

\* W-WATCH: one CAS, even where it changes nothing.
V_Watch(v) ==
    /\ waiter[v].pc = "call"
    /\ \A u \in 1..v - 1 : waiter[u].pc = "call"     \* in order, as above
         => (u \in TimedWaiters) # (v \in TimedWaiters)
    /\ IF word.free = Max
       THEN /\ word'   = ShowDo(word)
            /\ waiter' = [waiter EXCEPT ![v].pc = "done", ![v].got = TRUE,
                                        ![v].calm = TRUE]
       ELSE /\ word'   = IF WatchEnabled(word) THEN WatchDo(word)
                                               ELSE ShowDo(word)
            /\ waiter' = [waiter EXCEPT ![v].pc = "listen",
                                        ![v].wave = word.wave]
    /\ UNCHANGED <<stack, cell, task, mail, ticket, sub, worker, closer, runs>>

\* It takes a ticket,
V_Listen(v) ==
    /\ waiter[v].pc = "listen"
    /\ waiter' = [waiter EXCEPT ![v].pc = "look", ![v].ticket = ticket]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, worker, closer,
                   runs>>

\* looks at the wave,
V_Look(v) ==
    /\ waiter[v].pc = "look"
    /\ IF word.wave # waiter[v].wave
       THEN V_Returns(v, TRUE)
       ELSE waiter' = [waiter EXCEPT ![v].pc = "doze"]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, worker, closer,
                   runs>>

\* and sleeps, unless the ticket is stale.
V_Doze(v) ==
    /\ waiter[v].pc = "doze"
    /\ waiter' = [waiter EXCEPT ![v].pc =
                    IF ticket = waiter[v].ticket \/ Bug = "stale"
                    THEN "asleep" ELSE "listen"]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, worker, closer,
                   runs>>

\* A last look, when its time is up.
V_Last(v) ==
    /\ waiter[v].pc = "last"
    /\ V_Returns(v, word.wave # waiter[v].wave)
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, worker, closer,
                   runs>>

V_TimeUp(v) ==
    /\ v \in TimedWaiters /\ waiter[v].pc \in {"doze", "asleep"}
    /\ waiter' = [waiter EXCEPT ![v].pc = "last"]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, worker, closer,
                   runs>>

V_Spurious(v) ==
    /\ Spurious /\ waiter[v].pc = "asleep"
    /\ waiter' = [waiter EXCEPT ![v].pc = "listen"]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, worker, closer,
                   runs>>

-----------------------------------------------------------------------------
(* PLANTED BUGS.  Each takes the place of an action above, which is then    *)
(* not `Right`; those that change less stand in the action itself.          *)

\* The number of free slots is read, and decreased in a second step.
S_Check(s) ==
    /\ Bug = "check"
    /\ \/ /\ Enters(s) /\ MayPop(s)
          /\ sub' = [sub EXCEPT ![s].pc = "act"]
          /\ UNCHANGED <<word, stack>>
       \/ /\ sub[s].pc = "act"
          /\ word'  = PopDo(word)
          /\ stack' = IF stack = <<>> THEN <<>> ELSE Tail(stack)
          /\ sub'   = [sub EXCEPT ![s].pc = "hand",
                         ![s].slot = IF stack = <<>> THEN 1 ELSE Head(stack)]
    /\ UNCHANGED <<cell, task, mail, ticket, worker, waiter, closer, runs>>

\* The number waiting is read, and taken from in a second step.
W_Twice(x) ==
    /\ Bug = "twice"
    /\ \/ /\ worker[x].pc = "give" /\ TakeEnabled(word)
          /\ worker' = [worker EXCEPT ![x].pc = "taking"]
          /\ UNCHANGED word
       \/ /\ worker[x].pc = "taking"
          /\ word'   = TakeDo(word)
          /\ worker' = [worker EXCEPT ![x].pos = word.head,
                          ![x].pc = "claim"]
    /\ UNCHANGED <<stack, cell, task, mail, ticket, sub, waiter, closer, runs>>

\* `watched` is cleared, and the wave advanced, after the CAS that fills.
W_Outside(x) ==
    /\ Bug = "outside"
    /\ \/ /\ worker[x].pc = "give" /\ QuietEnabled(word)
          /\ word'   = FillDo(word)
          /\ stack'  = <<x>> \o stack
          /\ worker' = [worker EXCEPT ![x].pc = "clear",
                                      ![x].then = Onward(word')]
          /\ Calm(TRUE)
       \/ /\ worker[x].pc = "clear"
          /\ word'   = [QuietDo(word) EXCEPT !.free = word.free]
          /\ worker' = [worker EXCEPT ![x].pc = "notify"]
          /\ UNCHANGED <<stack, waiter>>
    /\ UNCHANGED <<cell, task, mail, ticket, sub, closer, runs>>

\* The waiters are notified before the change.
W_Before(x) ==
    /\ Bug = "before"
    /\ \/ /\ worker[x].pc = "give" /\ QuietEnabled(word)
          /\ ticket' = ticket + 1
          /\ waiter' = [v \in Waiters |-> IF waiter[v].pc = "asleep"
                                          THEN [waiter[v] EXCEPT !.pc = "listen"]
                                          ELSE waiter[v]]
          /\ worker' = [worker EXCEPT ![x].pc = "change"]
          /\ UNCHANGED <<word, stack>>
       \/ /\ worker[x].pc = "change"
          /\ IF QuietEnabled(word)
             THEN /\ word'  = QuietDo(word)
                  /\ stack' = <<x>> \o stack
                  /\ Given(x, Onward(word'))
                  /\ Calm(TRUE)
             ELSE /\ worker' = [worker EXCEPT ![x].pc = "give"]
                  /\ UNCHANGED <<word, stack, waiter>>
          /\ UNCHANGED ticket
    /\ UNCHANGED <<cell, task, mail, sub, closer, runs>>

-----------------------------------------------------------------------------
(* THE WHOLE.  A thread's own steps are fair; the environment's are not.    *)

SubmitterStep(s) ==
    /\ Goes(S(s))
    /\ \/ S_Closed(s)  \/ S_Pop(s)      \/ S_Full(s)  \/ S_Load(s)
       \/ S_Install(s) \/ S_Help(s)     \/ S_Count(s)
       \/ S_Withdraw(s) \/ S_Sweep(s)   \/ S_Pass(s)
       \/ S_Hand(s)    \/ S_Ring(s)
       \/ S_Look(s)    \/ S_Doze(s)     \/ S_Unmark(s)
       \/ S_Check(s)
    /\ UNCHANGED stopped

WorkerStep(x) ==
    /\ Goes(W(x))
    /\ \/ W_Run(x)     \/ W_Take(x)     \/ W_Push(x)  \/ W_Quiet(x)
       \/ W_Notify(x)  \/ W_Rouse(x)    \/ W_Release(x) \/ W_Wake(x)
       \/ W_Claim(x)   \/ W_Admit(x)    \/ W_Receive(x) \/ W_Doze(x)
       \/ W_Dismiss(x) \/ W_Send(x)     \/ W_Ring(x)
       \/ W_Twice(x)   \/ W_Outside(x)  \/ W_Before(x)
    /\ UNCHANGED stopped

WaiterStep(v) ==
    /\ Goes(V(v))
    /\ V_Watch(v) \/ V_Listen(v) \/ V_Look(v) \/ V_Doze(v) \/ V_Last(v)
    /\ UNCHANGED stopped

CloserStep ==      \* but whether the pool is closed is nobody's duty
    /\ Goes(C)
    /\ C_Send \/ C_Ring
    /\ UNCHANGED stopped

Environment ==
    /\ \/ \E s \in Submitters : Goes(S(s)) /\ (S_TimeUp(s) \/ S_Spurious(s))
       \/ \E x \in Slots      : Goes(W(x)) /\ W_Spurious(x)
       \/ \E v \in Waiters    : Goes(V(v)) /\ (V_TimeUp(v) \/ V_Spurious(v))
       \/ C_Close
    /\ UNCHANGED stopped

\* A thread stops for ever.  (At `new`, `enter` and `call` it holds nothing.)
Stop ==
    /\ Stopping /\ stopped = Nobody
    /\ \/ \E s \in Submitters : /\ sub[s].pc \notin {"new", "enter", "done"}
                                /\ stopped' = S(s)
       \/ \E x \in Slots      : /\ worker[x].pc \notin {"vacant", "gone"}
                                /\ stopped' = W(x)
       \/ \E v \in Waiters    : /\ waiter[v].pc \notin {"call", "done"}
                                /\ stopped' = V(v)
       \/ closer.pc \notin {"call", "done"} /\ stopped' = C
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, worker, waiter,
                   closer, runs>>

-----------------------------------------------------------------------------
(* SAFETY.                                                                  *)

Live(s)    == \E i \in 0..Cells - 1 : cell[i].seat = s
InHands(s) == \E x \in Slots : \/ worker[x].task = s \/ worker[x].next = s
                               \/ mail[x].job = s
InLine(s)  == /\ sub[s].goal = "admission"
              /\ sub[s].pc \in {"look", "doze", "asleep", "unmark"}
Claimed(s) == task[s].status # "made" \/ InHands(s)
Taken(p)   == \E x \in Slots : worker[x].pos = p
Counted(p) == word.head <= p /\ p < TailOf(word)
Count(set) == Cardinality(set)
B(truth)   == IF truth THEN 1 ELSE 0

WordOK ==
    /\ word.free \in 0..Max /\ word.waiting \in 0..Room /\ word.head >= Cells
    /\ {word.closed, word.watched, word.short} \subseteq {0, 1} /\ word.wave >= 0
    /\ word.free = 0 \/ word.waiting = 0   \* never a free slot and a waiting task
    /\ \A s \in Submitters :               \* WORD-2: the tail never moves back
         sub[s].pc = "count" /\ word.free = 0 => sub[s].pos <= TailOf(word)

TypeOK ==
    /\ WordOK
    /\ Len(stack) <= Max /\ \A i \in DOMAIN stack : stack[i] \in Slots
    /\ \A i \in 0..Cells - 1 : /\ cell[i].seat \in Submitters \union {None}
                               /\ cell[i].at = 0 \/ cell[i].at % Cells = i
    /\ \A s \in Submitters :
         /\ task[s].status \in {"made", "admitted", "finished", "released",
                                "bounced"}   \* by Refused.tla
         /\ sub[s].pc \in {"new", "enter", "install", "help", "count", "look",
                           "doze", "asleep", "unmark", "withdraw", "sweep",
                           "pass", "hand", "ring", "done"}
         /\ sub[s].out \in {"none", "ok", "full", "closed"}
         /\ runs[s] \in {0, 1}
    /\ \A x \in Slots :
         /\ mail[x].job \in Submitters \union {None, Home}
         /\ worker[x].pc \in {"vacant", "run", "give", "notify", "rouse",
                              "release", "wake", "claim", "admit", "receive",
                              "doze", "asleep", "dismiss", "send", "ring",
                              "gone"}
    /\ \A v \in Waiters :
         waiter[v].pc \in {"call", "listen", "look", "doze", "asleep", "last",
                           "done"}

\* MAX: every slot is free or somebody's, never two's; so tasks that run and
\* free slots make at most Max together.
Owns(x) == \/ worker[x].pc \in {"run", "give", "claim", "admit", "taking",
                                "change"}
           \/ /\ worker[x].pc \in {"release", "wake"}
              /\ worker[x].then \in {"admit", "run"}

MAX ==
    /\ word.free = Len(stack)
    /\ \A x \in Slots :
         1 = Count({i \in DOMAIN stack : stack[i] = x})
             + Count({s \in Submitters : sub[s].pc = "hand" /\ sub[s].slot = x})
             + B(mail[x].job \in Submitters) + B(Owns(x))

\* ONCE: a task is in one place at most, runs once at most, and not at all if
\* it is refused.
ONCE ==
    \A s \in Submitters :
      /\ 1 >= Count({x \in Slots : worker[x].task = s})
              + Count({x \in Slots : mail[x].job = s})
              + Count({i \in 0..Cells - 1 : cell[i].seat = s})
      /\ runs[s] <= 1
      /\ sub[s].out \in {"full", "closed"}
           => runs[s] = 0 /\ ~ Live(s) /\ ~ InHands(s)
      /\ sub[s].pc \in {"new", "enter", "install", "help", "hand", "sweep", "pass"}
           => ~ Live(s) /\ ~ InHands(s)

\* RESULT, PANIC: what join returns is the task's own.
RESULT ==
    \A s \in Submitters :
      /\ sub[s].got # "none"
           => sub[s].got = (IF s \in Panics THEN "panic" ELSE "value")
      /\ sub[s].pc = "done" /\ sub[s].out = "ok" /\ s \in Joining
           => sub[s].got # "none"

\* WAKE: who waits in line and has not been claimed stands in the ring, and
\* its position is counted, or a worker has taken it and is about to claim.
WAKE ==
    \A s \in Submitters :
      InLine(s) /\ ~ Claimed(s)
        => /\ CellOf(sub[s].pos) = [at |-> sub[s].pos, seat |-> s]
           /\ Counted(sub[s].pos) \/ Taken(sub[s].pos)

\* RING-2: a position that was passed has its cell behind it, or a worker that
\* will see to that; so nobody installs behind the head.
RING ==
    \A p \in (word.head - Cells)..(word.head - 1) :
      p >= Cells /\ ~ Taken(p) => CellOf(p).at >= p

\* FIFO: if b was claimed, and a sits at an earlier position, then some worker
\* has taken a's position already.  (Positions are taken in order, by the table;
\* two workers that have taken two may claim them in either order.)
\* And nobody pops a slot past one who is in line: WordOK and WAKE.
FIFO ==
    \A a, b \in Submitters :
      InLine(b) /\ Claimed(b) /\ sub[a].pos < sub[b].pos /\ Live(a)
      /\ sub[a].pos # 0
        => Taken(sub[a].pos)

\* WAIT: a waiter that is told so has had its moment of quiescence after
\* W-WATCH; and when the pool is quiescent, every accepted task has finished.
Unfinished(s) == /\ task[s].status \in {"made", "admitted"}
                 /\ sub[s].out = "ok" \/ InHands(s)
WAIT ==
    /\ \A v \in Waiters : waiter[v].got => waiter[v].calm
    /\ word.free = Max => \A s \in Submitters : ~ Unfinished(s)

\* FREE: when join has returned, its worker has given the slot back or on.
FREE ==
    \A s \in Submitters : \A x \in Slots :
      sub[s].got # "none" => worker[x].task # s

-----------------------------------------------------------------------------
(* LIVENESS.  Every execution comes to rest, so each property has the form  *)
(* "in the end, for ever".  What a thread that has stopped for ever holds   *)
(* back is excused: PROGRESS says that it is nothing else.  Where nobody    *)
(* wakes up for nothing, a state without a next step that is not at rest is *)
(* a deadlock, which TLC reports without looking at fairness; sleepers that *)
(* do wake up for nothing always have a next step, so they need PROGRESS.   *)

\* The submitters whose own call, or whose task, the stopped thread holds: the
\* task that it runs or was handed, the one at the position that it has taken,
\* the one that it has run and not yet released, and the sleeper that it was
\* about to wake.
Held ==
    {s \in Submitters :
       \/ stopped = S(s)
       \/ \E x \in Slots :
            /\ stopped = W(x)
            /\ \/ worker[x].task = s \/ worker[x].wake = s
               \/ worker[x].next = s
               \/ mail[x].job = s
               \/ worker[x].pos # 0 /\ CellOf(worker[x].pos)
                                       = [at |-> worker[x].pos, seat |-> s]}

\* A submitter holds one task back, its own.  A worker holds two at most: the
\* one that it has run and not yet released (its `join` waits), and the one that
\* it has taken, or that was handed to it after it pushed its slot.
HELD == Cardinality(Held) <= 2

\* The stopped thread holds a slot; a submitter holds one that it has popped,
\* or whose worker it was about to wake.
HoldsSlot ==
    \/ \E s \in Submitters : stopped = S(s) /\ sub[s].pc \in {"hand", "ring"}
    \/ \E x \in Slots      : /\ stopped = W(x)
                             /\ \A i \in DOMAIN stack : stack[i] # x

\* With its only slot gone a pool can do nothing.  And where a slot is held back
\* for ever, the pool is never quiescent again: `wait` does not return, rightly.
NoSlot == HoldsSlot /\ Max = 1

\* Stopped between the change that answers waiters and the wake-up.
HoldsNews == \E x \in Slots : /\ stopped = W(x)
                              /\ worker[x].pc \in {"notify", "rouse"}

\* The stopped thread is a worker, or was to send the workers home.
HoldsEnd == HoldsSlot \/ stopped = C \/ \E x \in Slots : stopped = W(x)

SpawnsReturn  == \A s \in Submitters :
                   sub[s].out # "none" \/ s \in Held \/ NoSlot
TasksFinish   == \A s \in Submitters :
                   sub[s].out = "ok" => \/ task[s].status = "released"
                                        \/ s \in Held \/ NoSlot
JoinsReturn   == \A s \in Submitters :
                   sub[s].out = "ok" => \/ sub[s].pc = "done"
                                        \/ s \in Held \/ NoSlot
WaitsReturn   == \A v \in Waiters :
                   \/ waiter[v].pc = "done"
                   \/ stopped = V(v) \/ HoldsSlot \/ HoldsNews
WorkersGoHome == word.closed = 1 => \/ \A x \in Slots :
                                         worker[x].pc \in {"vacant", "gone"}
                                    \/ HoldsEnd
SlotsComeBack == word.free = Max \/ HoldsSlot

Rest == /\ SpawnsReturn /\ TasksFinish /\ JoinsReturn /\ WaitsReturn
        /\ WorkersGoHome /\ SlotsComeBack

PROGRESS == <>[]Rest

\* Proper termination.  Any other state without a next step is a deadlock.
AtRest == Rest /\ UNCHANGED vars

Next ==
    \/ \E s \in Submitters : SubmitterStep(s)
    \/ \E x \in Slots      : WorkerStep(x)
    \/ \E v \in Waiters    : WaiterStep(v)
    \/ CloserStep \/ Environment \/ Stop \/ AtRest

Fairness ==
    /\ \A s \in Submitters : WF_vars(SubmitterStep(s))
    /\ \A x \in Slots      : WF_vars(WorkerStep(x))
    /\ \A v \in Waiters    : WF_vars(WaiterStep(v))
    /\ WF_vars(CloserStep)

Spec == Init /\ [][Next]_vars /\ Fairness
=============================================================================

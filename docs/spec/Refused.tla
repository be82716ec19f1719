------------------------------- MODULE Refused -------------------------------
(***************************************************************************)
(* What becomes of a submitter that the operating system refuses a thread: *)
(* docs/PROTOCOL.md, "No thread from the operating system".                *)
(*                                                                         *)
(* Everything of Admit stays as it is.  Its steps are taken here unless a  *)
(* thread is on an *errand*: a stretch of code that Admit leaves out,      *)
(* between two of its steps.  A worker runs one when it has pushed its     *)
(* slot (it settles); a submitter before it starts over (it puts its slot  *)
(* aside), and before its call returns (it settles, and tries again).      *)
(* `sub[s].out` says already what the call is going to return, but the     *)
(* submitter does not go on to join before its errand is over.             *)
(*                                                                         *)
(* A name with an R at its end is a definition of Admit, extended.         *)
(*                                                                         *)
(* The system may refuse any thread, as long as it has refusals left: with *)
(* no end to them a call could ask for ever.  Left out beside what Admit   *)
(* leaves out: the links and the tag of the stack of slots aside (it is a  *)
(* sequence); that the count of threads falls again (when the first worker *)
(* ends every slot is in the stack, and nobody looks); the difference      *)
(* between Os and Full: both are `full` here.  Two looks are one step in    *)
(* two places: that the pool is full, and whether slots lie aside for       *)
(* nothing; that no thread is to be had, and whether there are workers.     *)
(***************************************************************************)
EXTENDS Admit

CONSTANT Refusals   \* how many threads the system may refuse

VARIABLES
    aside,     \* the slots set aside, the last one first
    counted,   \* whether a thread has been counted: threads() > 0
    refusals,  \* how many threads may still be refused
    denied,    \* history: the last who tried again was refused
    way,       \* what a submitter's call has met with so far
    errand     \* what a thread does beside the steps of Admit

more == <<aside, counted, refusals, denied, way, errand>>
all  == <<vars, more>>

Threads == {S(s) : s \in Submitters} \union {W(x) : x \in Slots}

NoWay  == [long    |-> FALSE,   \* more than to hand the task to a worker
           sure    |-> FALSE,   \* history: its task was accepted before that
           peeked  |-> FALSE]   \* it has looked whether slots lie aside for nothing

Free   == [pc      |-> "none",
           then    |-> "none",  \* where it goes on when it has settled
           left    |-> 0,       \* how often it looks at most
           seen    |-> <<>>,    \* the word, if it was loaded with `short`
           slot    |-> None,    \* the vacant slot that it carries
           settles |-> FALSE,   \* a worker that will, before it sleeps
           home    |-> {},      \* the workers that it has to send home
           wake    |-> None]    \* whom it is about to wake

InitR ==
    /\ Init
    /\ aside    = <<>>
    /\ counted  = (Begun > 0)
    /\ refusals = Refusals
    /\ denied   = FALSE
    /\ way      = [s \in Submitters |-> NoWay]
    /\ errand   = [t \in Threads |-> Free]

-----------------------------------------------------------------------------
(* ERRANDS.  What submitters and workers have in common: to put a slot      *)
(* aside, to settle, and to send the workers home if that was the end.      *)

Do(t, e)  == errand' = [errand EXCEPT ![t] = e]
Go(t, pc) == errand' = [errand EXCEPT ![t].pc = pc]
After(e)  == [Free EXCEPT !.pc = e.then, !.settles = e.settles]

\* The end of a round: the workers are sent home, it looks again, or it is done.
Turn(e) == CASE e.home # {} -> [e EXCEPT !.pc = "send"]
             [] e.home = {} /\ e.left > 0 -> [e EXCEPT !.pc = "load"]
             [] OTHER -> After(e)

\* put_aside: the slot is pushed, and then `short` is set.  Bug `sooner`: the
\* other way round.
PutAside(e) == [e EXCEPT !.pc = IF Right("sooner") THEN "aside" ELSE "short"]

T_PushAside(t) ==
    /\ errand[t].pc = "aside"
    /\ aside' = <<errand[t].slot>> \o aside
    /\ LET e == [errand[t] EXCEPT !.slot = None]
       IN Do(t, IF Right("sooner") THEN [e EXCEPT !.pc = "short"] ELSE Turn(e))
    /\ UNCHANGED <<vars, counted, refusals, denied, way>>

\* set_short: a CAS even where the bit is set, so that who clears it after this
\* sees what lies aside.
T_SetShort(t) ==
    /\ errand[t].pc = "short"
    /\ word' = IF ShortEnabled(word) THEN ShortDo(word) ELSE ShowDo(word)
    /\ IF Right("sooner") \/ errand[t].slot = None THEN Do(t, Turn(errand[t]))
                                                   ELSE Go(t, "aside")
    /\ UNCHANGED <<stack, cell, task, mail, ticket, sub, worker, waiter,
                   closer, runs, aside, counted, refusals, denied, way>>

\* E-PUSH of a vacant slot x, with all that may come of it.  The workers that
\* are to be sent home are those of a pool that is over by this very CAS.
Pushes(t, x, e) ==
    /\ \/ PushEnabled(word)  /\ word' = PushDo(word)
       \/ FillEnabled(word)  /\ word' = FillDo(word)
       \/ QuietEnabled(word) /\ word' = QuietDo(word)
    /\ stack' = <<x>> \o stack
    /\ Calm(word'.free = Max)
    /\ LET over == word'.closed = 1 /\ word'.free = Max
           end  == [e EXCEPT !.slot = None, !.left = IF over THEN 0 ELSE @,
                             !.home = IF over THEN Manned ELSE {}]
       IN Do(t, IF QuietEnabled(word) THEN [end EXCEPT !.pc = "notify"]
                                      ELSE Turn(end))
    /\ UNCHANGED <<cell, task, mail, ticket, worker, closer, runs, aside,
                   counted, refusals, denied>>

T_Notify(t) ==
    /\ errand[t].pc = "notify"
    /\ ticket' = ticket + 1
    /\ Go(t, "rouse")
    /\ UNCHANGED <<word, stack, cell, task, mail, sub, worker, waiter, closer,
                   runs, aside, counted, refusals, denied, way>>

T_Rouse(t) ==
    /\ errand[t].pc = "rouse"
    /\ waiter' = [v \in Waiters |-> IF waiter[v].pc = "asleep"
                                    THEN [waiter[v] EXCEPT !.pc = "listen"]
                                    ELSE waiter[v]]
    /\ Do(t, Turn(errand[t]))
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, worker, closer,
                   runs, aside, counted, refusals, denied, way>>

\* dismiss, by a submitter.
T_Send(t) ==
    LET y == Least(errand[t].home) IN
    /\ errand[t].pc = "send"
    /\ mail' = [mail EXCEPT ![y] = [job |-> Home, asleep |-> FALSE]]
    /\ IF mail[y].asleep
       THEN Do(t, [errand[t] EXCEPT !.pc = "ring", !.wake = y])
       ELSE Do(t, Turn([errand[t] EXCEPT !.home = @ \ {y}]))
    /\ UNCHANGED <<word, stack, cell, task, ticket, sub, worker, waiter,
                   closer, runs, aside, counted, refusals, denied, way>>

T_Ring(t) ==
    LET y == errand[t].wake IN
    /\ errand[t].pc = "ring"
    /\ Ring(y)
    /\ Do(t, Turn([errand[t] EXCEPT !.home = @ \ {y}, !.wake = None]))
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, waiter, closer,
                   runs, aside, counted, refusals, denied, way>>

(* settle: puts back what lies aside now, as long as nothing waits.         *)

\* It counts what lies aside.  (`leave`: of a submitter that is going to return,
\* and afterwards to try again.)
T_Settle(t) ==
    /\ errand[t].pc \in {"settle", "leave"}
    /\ Do(t, [errand[t] EXCEPT
                !.left = 1 + Len(aside), !.pc = "load",
                !.then = IF errand[t].pc = "leave" THEN "again" ELSE @])
    /\ UNCHANGED <<vars, aside, counted, refusals, denied, way>>

\* It looks at the word.
T_Load(t) ==
    LET e == [errand[t] EXCEPT !.left = @ - 1] IN
    /\ errand[t].pc = "load"
    /\ IF word.waiting = 0
       THEN Do(t, [e EXCEPT !.pc = "pop",
                            !.seen = IF word.short = 1 THEN <<word>> ELSE <<>>])
       ELSE Do(t, IF word.short = 1 THEN After(e) ELSE [e EXCEPT !.pc = "count"])
    /\ UNCHANGED <<vars, aside, counted, refusals, denied, way>>

\* Who has set `short` looks once more before it goes: perhaps nothing waits any
\* more.  Bug `once`: it does not.
Once(e) == [e EXCEPT !.left = IF Right("once") THEN @ + 1 ELSE @]

\* Tasks wait, and `short` is not set: it has to be, if anything lies aside.
T_Count(t) ==
    /\ errand[t].pc = "count"
    /\ Do(t, IF aside = <<>> THEN After(errand[t])
                             ELSE [Once(errand[t]) EXCEPT !.pc = "short"])
    /\ UNCHANGED <<vars, aside, counted, refusals, denied, way>>

\* Nothing waits.  Bug `blind`: `short` is cleared with slots still aside.
T_PopAside(t) ==
    LET e == errand[t] IN
    /\ e.pc = "pop"
    /\ IF aside # <<>> /\ (Right("blind") \/ e.seen = <<>>)
       THEN /\ aside' = Tail(aside)
            /\ Do(t, [e EXCEPT !.pc = "put", !.slot = Head(aside),
                               !.seen = <<>>])
       ELSE /\ Do(t, IF e.seen # <<>> THEN [e EXCEPT !.pc = "clear"]
                                         ELSE After(e))
            /\ UNCHANGED aside
    /\ UNCHANGED <<vars, counted, refusals, denied, way>>

\* put_back: it pushes the slot, or, if a task has come, puts it aside again.
T_PutBack(t) ==
    LET e == errand[t] IN
    /\ e.pc = "put"
    /\ \/ /\ word.waiting > 0
          /\ Do(t, PutAside(Once(e)))
          /\ UNCHANGED <<vars, aside, counted, refusals, denied>>
       \/ Pushes(t, e.slot, e) /\ UNCHANGED sub
    /\ UNCHANGED way

\* Nothing lies aside any more: the bit is cleared, in the very word that was
\* loaded before the stack was found empty.
T_Clear(t) ==
    LET e == [errand[t] EXCEPT !.seen = <<>>] IN
    /\ errand[t].pc = "clear"
    /\ IF <<word>> = errand[t].seen
       THEN /\ word' = UnshortDo(word)
            /\ Do(t, IF Right("blind") /\ Right("hasty")
                     THEN [e EXCEPT !.pc = "check"] ELSE After(e))
       ELSE /\ Do(t, After(e))
            /\ UNCHANGED word
    /\ UNCHANGED <<stack, cell, task, mail, ticket, sub, worker, waiter,
                   closer, runs, aside, counted, refusals, denied, way>>

\* Has something come meanwhile?  Bug `hasty`: it does not ask.
T_Check(t) ==
    LET e == errand[t] IN
    /\ e.pc = "check"
    /\ Do(t, IF aside = <<>> THEN After(e) ELSE [Once(e) EXCEPT !.pc = "short"])
    /\ UNCHANGED <<vars, aside, counted, refusals, denied, way>>

ErrandStep(t) ==
    \/ T_PushAside(t) \/ T_SetShort(t) \/ T_Notify(t) \/ T_Rouse(t)
    \/ T_Send(t)      \/ T_Ring(t)     \/ T_Settle(t) \/ T_Load(t)
    \/ T_Count(t)     \/ T_PopAside(t) \/ T_PutBack(t) \/ T_Clear(t)
    \/ T_Check(t)

-----------------------------------------------------------------------------
(* SUBMITTERS.                                                              *)

Idle(t)    == errand[t].pc = "none"
Bounced(s) == task[s].status = "bounced"
Vacant(x)  == worker[x].pc = "vacant"
IsFull(s)  == Enters(s) /\ InTime(s) /\ word.free = 0

\* A submitter's step of Admit, and what it means here: that it goes the long
\* way (it waits, or asks for a thread), or that its call is at its end.
S_AsBefore(s) ==
    LET pc == sub[s].pc IN
    /\ Idle(S(s))
    /\ IsFull(s) => way[s].peeked \/ sub[s].refused
    /\ pc = "hand" => ~ Vacant(sub[s].slot) \/ ~ sub[s].refused
    /\ pc = "look" => ~ Bounced(s)
    /\ SubmitterStep(s)
    /\ LET manned == pc = "hand" /\ Vacant(sub[s].slot)
           long   == \/ way[s].long \/ manned \/ sub'[s].pc = "install"
                     \/ IsFull(s) /\ s \notin Trying
           ends   == sub[s].out = "none" /\ sub'[s].out # "none"
       IN /\ way' = [way EXCEPT ![s] =
                       IF ends THEN [NoWay EXCEPT !.sure = way[s].sure
                                        /\ sub'[s].out = "closed"] ELSE
                       [@ EXCEPT !.long = long, !.peeked = @ /\ Right("anew")]]
          /\ errand' = IF ~ (ends /\ long) THEN errand
                       ELSE [errand EXCEPT ![S(s)] =
                               [Free EXCEPT !.then = "leave",
                                            !.pc = IF manned /\ ~ counted
                                                   THEN "tell" ELSE "leave"]]
    /\ UNCHANGED <<aside, counted, refusals, denied>>

\* has_idle_aside: who finds the pool full as it comes settles first if slots lie
\* aside for nothing; not if it has put one there itself.  Bug `anew`: it does so
\* in every round of its call.
S_Peek(s) ==
    /\ Idle(S(s)) /\ IsFull(s) /\ ~ way[s].peeked /\ ~ sub[s].refused
    /\ way' = [way EXCEPT ![s].peeked = TRUE]
    /\ sub' = [sub EXCEPT ![s].pc = "enter"]
    /\ IF word.short = 1 /\ word.waiting = 0 /\ aside # <<>>
       THEN Go(S(s), "settle") ELSE UNCHANGED errand
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, worker, waiter,
                   closer, runs, aside, counted, refusals, denied>>

\* No room to wait: it naps, and starts over.
S_Nap(s) ==
    /\ Idle(S(s)) /\ IsFull(s) /\ way[s].peeked
    /\ s \notin Trying \union Timed
    /\ word.waiting = Room
    /\ way' = [way EXCEPT ![s].long = TRUE]
    /\ UNCHANGED <<vars, aside, counted, refusals, denied, errand>>

\* It has started a thread, and counts it.
S_Tell(s) ==
    /\ errand[S(s)].pc = "tell"
    /\ counted' = TRUE
    /\ Do(S(s), After(errand[S(s)]))
    /\ UNCHANGED <<vars, aside, refusals, denied, way>>

\* No thread for a vacant slot, or it has been told so before.  If there are
\* workers the slot goes aside, and it starts over, as one that is admitted (bug
\* `forget`: as anybody); else it gives the slot back.
S_Refused(s) ==
    LET x == sub[s].slot IN
    /\ Idle(S(s)) /\ sub[s].pc = "hand" /\ Vacant(x)
    /\ \/ sub[s].refused /\ UNCHANGED refusals
       \/ ~ sub[s].refused /\ refusals > 0 /\ refusals' = refusals - 1
    /\ way' = [way EXCEPT ![s] = [NoWay EXCEPT !.long = TRUE, !.sure = TRUE]]
    /\ IF counted
       THEN /\ sub' = [sub EXCEPT ![s].pc = "enter", ![s].slot = None,
                                 ![s].refused = Right("forget")]
            /\ IF Right("drop") THEN Do(S(s), PutAside([Free EXCEPT !.slot = x]))
                                ELSE UNCHANGED errand
       ELSE Go(S(s), "give") /\ UNCHANGED sub
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, worker, waiter,
                   closer, runs, aside, counted, denied>>

(* surrender: as a worker would, it gives its slot back, or on to whoever    *)
(* waits first.  The position that it takes, and the task that it claims,    *)
(* stand in the record of the slot, as a worker's do.                        *)

\* Its call ends.
Gone(s, others) ==
    /\ sub' = [others EXCEPT ![s].pc = "done", ![s].out = "full",
                             ![s].slot = None, ![s].refused = FALSE]
    /\ way' = [way EXCEPT ![s] = NoWay]

S_Take(s) ==
    /\ errand[S(s)].pc = "give" /\ TakeEnabled(word)
    /\ word'   = TakeDo(word)
    /\ worker' = [worker EXCEPT ![sub[s].slot].pos = word.head]
    /\ Do(S(s), [Free EXCEPT !.pc = "claim"])
    /\ UNCHANGED <<stack, cell, task, mail, ticket, sub, waiter, closer, runs,
                   aside, counted, refusals, denied, way>>

\* (If `short` is set, the code settles here, and as the call ends once more.)
S_Push(s) ==
    /\ errand[S(s)].pc = "give"
    /\ Pushes(S(s), sub[s].slot, [Free EXCEPT !.then = "leave"])
    /\ Gone(s, sub)

S_Claim(s) ==
    LET x == sub[s].slot
        p == worker[x].pos
        c == CellOf(p) IN
    /\ errand[S(s)].pc = "claim"
    /\ cell' = [cell EXCEPT ![p % Cells] =
                  CASE ClaimEnabled(c, p)   -> ClaimDo(@)
                    [] InheritEnabled(c, p) -> InheritDo(@, p)
                    [] SealEnabled(c, p)    -> SealDo(@, p)
                    [] OTHER                -> @]
    /\ LET alive == ClaimEnabled(c, p) \/ InheritEnabled(c, p) IN
       /\ worker' = [worker EXCEPT ![x].pos = 0,
                       ![x].next = IF alive THEN c.seat ELSE None]
       /\ Go(S(s), IF alive THEN "bounce" ELSE "give")
    /\ UNCHANGED <<word, stack, task, mail, ticket, sub, waiter, closer, runs,
                   aside, counted, refusals, denied, way>>

\* bounce: the first in line gets its closure back, and with it the slot, in the
\* upper half of its task's state.  Bug `keep`: the slot is kept, for the next.
S_Bounce(s) ==
    LET x == sub[s].slot
        t == worker[x].next IN
    /\ errand[S(s)].pc = "bounce"
    /\ task'   = [task EXCEPT ![t].status = "bounced", ![t].asleep = FALSE]
    /\ worker' = [worker EXCEPT ![x].next = None]
    /\ IF Right("keep") THEN Gone(s, [sub EXCEPT ![t].slot = x])
                        ELSE UNCHANGED <<sub, way>>
    /\ Do(S(s), IF task[t].asleep
                THEN [Free EXCEPT !.pc = "wake", !.wake = t]
                ELSE [Free EXCEPT !.pc = IF Right("keep") THEN "leave"
                                                          ELSE "give"])
    /\ UNCHANGED <<word, stack, cell, mail, ticket, waiter, closer, runs, aside,
                   counted, refusals, denied>>

\* The system call.  (Who has found out meanwhile has another task's state by
\* now, and does not hear it.)
S_Wake(s) ==
    LET t == errand[S(s)].wake IN
    /\ errand[S(s)].pc = "wake"
    /\ sub' = IF sub[t].pc = "asleep" /\ Bounced(t)
              THEN [sub EXCEPT ![t].pc = "look"] ELSE sub
    /\ Do(S(s), [Free EXCEPT !.pc = IF Right("keep") THEN "leave" ELSE "give"])
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, worker, waiter,
                   closer, runs, aside, counted, refusals, denied, way>>

\* It finds itself bounced: it makes a new task, and has a slot in hand.
S_Bounced(s) ==
    /\ Idle(S(s)) /\ sub[s].pc = "look" /\ Bounced(s)
    /\ task' = [task EXCEPT ![s].status = "made", ![s].asleep = FALSE]
    /\ sub'  = [sub EXCEPT ![s].pc = IF Right("keep") THEN "hand" ELSE "enter",
                           ![s].pos = 0, ![s].saw = "made", ![s].late = FALSE,
                           ![s].refused = FALSE]
    /\ way'  = [way EXCEPT ![s] = [NoWay EXCEPT !.sure = TRUE]]
    /\ UNCHANGED <<word, stack, cell, mail, ticket, worker, waiter, closer, runs,
                   aside, counted, refusals, denied, errand>>

(* try_again: the last that a submitter does on the long way, for those who  *)
(* queued up while it, or another, held a slot that it had no thread for.    *)

\* take_aside: slots lie aside, and tasks wait.  Bug `noagain`: nobody asks.
S_TakeAside(s) ==
    /\ errand[S(s)].pc = "again"
    /\ IF word.short = 1 /\ word.waiting > 0 /\ Right("noagain")
       THEN Do(S(s), [Free EXCEPT !.pc = "grab"]) ELSE Do(S(s), Free)
    /\ UNCHANGED <<vars, aside, counted, refusals, denied, way>>

S_PopAside(s) ==
    /\ errand[S(s)].pc = "grab"
    /\ IF aside = <<>>
       THEN Do(S(s), Free) /\ UNCHANGED aside
       ELSE /\ Do(S(s), [Free EXCEPT !.pc = "man", !.slot = Head(aside)])
            /\ aside' = Tail(aside)
    /\ UNCHANGED <<vars, counted, refusals, denied, way>>

\* A thread, with a task that does nothing: it begins by giving its slot back.
S_TryAgain(s) ==
    LET e == errand[S(s)] IN
    /\ e.pc = "man"
    /\ \/ /\ worker' = [worker EXCEPT ![e.slot].pc = "give"]
          /\ denied' = FALSE
          /\ Do(S(s), [Free EXCEPT !.pc = IF counted THEN "none" ELSE "tell"])
          /\ UNCHANGED refusals
       \/ /\ refusals > 0
          /\ refusals' = refusals - 1
          /\ denied' = TRUE
          /\ Do(S(s), PutAside([e EXCEPT !.then = "settle"]))
          /\ UNCHANGED worker
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, waiter, closer,
                   runs, aside, counted, way>>

-----------------------------------------------------------------------------
(* WORKERS.                                                                 *)

\* The task that does nothing has no joiner, and no state that counts.
IsNothing(x) == worker[x].pc = "release" /\ worker[x].task = None

\* Before it sleeps, a worker settles that has pushed its slot onto a word with
\* `short`.  Bug `first`: it does so before it pushes it.
Settles(x) == IF Right("first")
              THEN errand[W(x)].settles /\ worker[x].pc = "receive"
              ELSE /\ worker[x].pc = "give" /\ ~ errand[W(x)].settles
                   /\ word.waiting = 0 /\ word.short = 1

\* A worker's step of Admit.
W_AsBefore(x) ==
    /\ Idle(W(x)) /\ ~ Settles(x) /\ ~ IsNothing(x)
    /\ WorkerStep(x)
    /\ errand' = [errand EXCEPT ![W(x)].settles =
                    IF stack' = stack THEN @ /\ worker'[x].pc # "claim"
                    ELSE /\ Right("first") /\ word.short = 1
                         /\ worker'[x].then = "receive"]
    /\ UNCHANGED <<aside, counted, refusals, denied, way>>

W_Settle(x) ==
    /\ Idle(W(x)) /\ Settles(x)
    /\ Do(W(x), [Free EXCEPT !.pc = "settle", !.settles = ~ Right("first")])
    /\ UNCHANGED <<vars, aside, counted, refusals, denied, way>>

W_Nothing(x) ==
    /\ Idle(W(x)) /\ IsNothing(x)
    /\ worker' = [worker EXCEPT ![x].pc = worker[x].then, ![x].then = "none",
                                ![x].task = worker[x].next, ![x].next = None]
    /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, waiter, closer,
                   runs, more>>

-----------------------------------------------------------------------------
(* THE WHOLE.                                                               *)

SubmitterStepR(s) ==
    /\ Goes(S(s))
    /\ \/ S_AsBefore(s)
       \/ /\ \/ ErrandStep(S(s))
             \/ S_Peek(s)      \/ S_Nap(s)     \/ S_Tell(s)  \/ S_Refused(s)
             \/ S_Take(s)      \/ S_Push(s)    \/ S_Claim(s)
             \/ S_Bounce(s)    \/ S_Wake(s)    \/ S_Bounced(s)
             \/ S_TakeAside(s) \/ S_PopAside(s) \/ S_TryAgain(s)
          /\ UNCHANGED stopped

WorkerStepR(x) ==
    /\ Goes(W(x))
    /\ \/ W_AsBefore(x)
       \/ /\ ErrandStep(W(x)) \/ W_Settle(x) \/ W_Nothing(x)
          /\ UNCHANGED stopped

\* A thread may stop on its errand too, and before it starts over.
StopR ==
    \/ Stop
    \/ /\ Stopping /\ stopped = Nobody
       /\ \/ \E t \in Threads : ~ Idle(t) /\ stopped' = t
          \/ \E s \in Submitters : /\ sub[s].pc = "enter" /\ way[s].long
                                   /\ stopped' = S(s)
       /\ UNCHANGED <<word, stack, cell, task, mail, ticket, sub, worker,
                      waiter, closer, runs>>

-----------------------------------------------------------------------------
(* SAFETY.  TypeOK, ONCE, RESULT, WAKE, RING, FIFO, WAIT and FREE of Admit  *)
(* hold as they stand; and the following.                                   *)

\* MAX: every slot is somewhere exactly once: in the stack, aside, on its way
\* to one who was bounced, in a submitter's hands, or a worker's.
MAXR ==
    /\ word.free = Len(stack)
    /\ \A x \in Slots :
         1 = Count({i \in DOMAIN stack : stack[i] = x})
             + Count({i \in DOMAIN aside : aside[i] = x})
             + Count({s \in Submitters : sub[s].slot = x
                        /\ (sub[s].pc = "hand" \/ Bounced(s))})
             + Count({t \in Threads : errand[t].slot = x})
             + B(mail[x].job \in Submitters) + B(Owns(x))

\* What lies aside is vacant.
VACANT == \A i \in DOMAIN aside : Vacant(aside[i])

\* CLOSE: who was accepted before the close, and then had no thread, is not sent
\* away as too late.
CLOSE == \A s \in Submitters : way[s].sure => sub[s].out # "closed"

\* `short` is set while a slot lies aside, unless somebody is about to set it.
SHORT ==
    aside # <<>> /\ word.short = 0
      => \E t \in Threads : errand[t].pc \in {"short", "check"}

\* No slot is left aside for good: while one lies there and nothing waits, there
\* is somebody who will look.
Looks ==
    \/ \E t \in Threads : ~ Idle(t)
    \/ \E s \in Submitters : way[s].long \/ sub[s].pc \in {"hand", "ring"}
    \/ \E x \in Slots : \/ mail[x].job \in Submitters
                        \/ Owns(x) \/ errand[W(x)].settles

ASIDE == aside # <<>> /\ word.waiting = 0 => Looks

-----------------------------------------------------------------------------
(* LIVENESS, as in Admit, with what a stopped thread may hold back here.    *)

HeldR ==
    Held \union
    {s \in Submitters :
       \E t \in Submitters :
         /\ stopped = S(t)
         /\ \/ errand[S(t)].pc = "wake" /\ errand[S(t)].wake = s
            \/ /\ sub[t].pc = "hand"
               /\ LET w == worker[sub[t].slot] IN
                  \/ w.next = s
                  \/ Vacant(sub[t].slot) /\ w.pos # 0
                     /\ CellOf(w.pos) = [at |-> w.pos, seat |-> s]}

\* The slots in a stopped thread's hands: those of Admit; the one that it
\* carries; the one that goes with a bounce, until who was bounced has heard of
\* it; and what lies aside, if it is on its way to settle, or has just settled.
HeldSlots ==
    {x \in Slots :
       \/ stopped = W(x) /\ \A i \in DOMAIN stack : stack[i] # x
       \/ \E s \in Submitters : /\ stopped = S(s) /\ sub[s].slot = x
                                /\ sub[s].pc \in {"hand", "ring"}
       \/ \E s \in HeldR : Bounced(s) /\ sub[s].slot = x
       \/ \E t \in Threads : stopped = t /\ errand[t].slot = x
       \/ /\ \E i \in DOMAIN aside : aside[i] = x
          /\ \/ \E t \in Threads : /\ stopped = t
                                   /\ ~ Idle(t) \/ errand[t].settles
             \/ \E s \in Submitters : stopped = S(s) /\ sub[s].refused}

\* Not counting what a worker carries that settles: PROTOCOL.md says that it may hold that too.
HELDR == /\ Cardinality(HeldR) <= 2
         /\ Cardinality({x \in HeldSlots :
                          /\ \A i \in DOMAIN aside : aside[i] # x
                          /\ \A y \in Slots : errand[W(y)].slot # x}) <= 1

HoldsSlotR == HeldSlots # {}

\* No slot is left for those who wait: the stopped thread holds them, but for
\* some aside, for which a thread was asked in vain; or whoever was refused one
\* is still there, and waits with the others.
Denied  == denied \/ \E s \in Submitters : sub[s].refused
NoSlotR ==
    /\ HoldsSlotR
    /\ \A x \in Slots : \/ x \in HeldSlots
                        \/ Denied /\ \E i \in DOMAIN aside : aside[i] = x

HoldsNewsR == HoldsNews \/ \E t \in Threads :
                             stopped = t /\ errand[t].pc \in {"notify", "rouse"}

HoldsEndR == \/ HoldsSlotR \/ stopped = C \/ \E x \in Slots : stopped = W(x)
             \/ \E t \in Threads : stopped = t /\ errand[t].home # {}

Ended(s) == sub[s].pc = "done" /\ Idle(S(s))

RestR ==
    /\ \A s \in Submitters :
         \/ s \in HeldR \/ NoSlotR
         \/ /\ sub[s].out # "none" /\ Ended(s)
            /\ sub[s].out = "ok" => task[s].status = "released"
    /\ \A v \in Waiters : waiter[v].pc = "done" \/ stopped = V(v)
                          \/ HoldsSlotR \/ HoldsNewsR
    /\ word.closed = 1 => HoldsEndR \/ \A x \in Slots :
                                         worker[x].pc \in {"vacant", "gone"}
    /\ word.free = Max \/ HoldsSlotR

PROGRESSR == <>[]RestR

AtRestR == RestR /\ UNCHANGED all

NextR ==
    \/ \E s \in Submitters : SubmitterStepR(s)
    \/ \E x \in Slots      : WorkerStepR(x)
    \/ (\E v \in Waiters : WaiterStep(v)) /\ UNCHANGED more
    \/ (CloserStep \/ Environment)        /\ UNCHANGED more
    \/ StopR                              /\ UNCHANGED more
    \/ AtRestR

FairnessR ==
    /\ \A s \in Submitters : WF_all(SubmitterStepR(s))
    /\ \A x \in Slots      : WF_all(WorkerStepR(x))
    /\ \A v \in Waiters    : WF_all(WaiterStep(v) /\ UNCHANGED more)
    /\ WF_all(CloserStep /\ UNCHANGED more)

SpecR == InitR /\ [][NextR]_all /\ FairnessR

\* For TLC (ACTION_CONSTRAINT): the first task never ends, and all else comes after.
Endless == stopped = Nobody => stopped' = W(1)

\* Positions as seen from the head, for TLC (VIEW) where they would grow without
\* end: every guard compares them with each other, or finds their cells.
From(p)  == IF p = 0 THEN None ELSE <<p - word.head>>
Seen(w)  == [w EXCEPT !.head = IF @ = 0 THEN None ELSE <<@ - word.head>>]
Relative ==
    <<[word EXCEPT !.head = 0],
      [i \in 0..Cells - 1 |-> LET c == CellOf(word.head + i) IN
                               <<From(c.at), c.seat>>],
      [s \in Submitters |-> [sub[s] EXCEPT !.pos = From(@), !.seen = Seen(@)]],
      [x \in Slots |-> [worker[x] EXCEPT !.pos = From(@)]],
      [t \in Threads |-> [errand[t] EXCEPT !.seen =
                            IF @ = <<>> THEN @ ELSE <<Seen(Head(@))>>]],
      stack, task, mail, ticket, waiter, closer, runs, stopped, aside, counted,
      refusals, denied, way>>
=============================================================================

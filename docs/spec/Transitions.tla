----------------------------- MODULE Transitions -----------------------------
(* Written by generate.py from transitions.tsv; not to be edited.             *)
(* w is the word, c the cell of position p, mine the seat of the submitter.   *)
EXTENDS Integers
CONSTANTS Max,   \* how many slots there are
          Room   \* how many positions can be counted

\* POP: a submitter; its task is admitted.
PopEnabled(w) == w.free > 0 /\ w.closed = 0
PopDo(w) == [w EXCEPT !.free = w.free - 1]

\* REPOP: after the close: a submitter that held a slot it had no thread for.
RepopEnabled(w) == w.free > 0 /\ w.free < Max /\ w.closed = 1
RepopDo(w) == [w EXCEPT !.free = w.free - 1]

\* PUSH: the owner of a slot.
PushEnabled(w) == w.waiting = 0 /\ w.free + 1 < Max
PushDo(w) == [w EXCEPT !.free = w.free + 1]

\* FILL: the owner of the last slot, while nobody watches.
FillEnabled(w) == w.waiting = 0 /\ w.free + 1 = Max /\ w.watched = 0
FillDo(w) == [w EXCEPT !.free = w.free + 1]

\* QUIET: the owner of the last slot: every waiter is answered.
QuietEnabled(w) == w.waiting = 0 /\ w.free + 1 = Max /\ w.watched = 1
QuietDo(w) == [w EXCEPT !.free = w.free + 1, !.watched = 0, !.wave = w.wave + 1]

\* COUNT: a submitter, for itself or for another.
CountEnabled(w) == w.free = 0 /\ w.closed = 0 /\ w.waiting < Room
CountDo(w) == [w EXCEPT !.waiting = w.waiting + 1]

\* RECOUNT: after the close: such a submitter, for itself or for another.
RecountEnabled(w) == w.free = 0 /\ w.closed = 1 /\ w.waiting < Room
RecountDo(w) == [w EXCEPT !.waiting = w.waiting + 1]

\* TAKE: a finishing worker; a sweeper of dead positions.
TakeEnabled(w) == w.waiting > 0
TakeDo(w) == [w EXCEPT !.waiting = w.waiting - 1, !.head = w.head + 1]

\* WATCH: a waiter.
WatchEnabled(w) == w.free < Max /\ w.watched = 0
WatchDo(w) == [w EXCEPT !.watched = 1]

\* CLOSE: a closer.
CloseEnabled(w) == w.closed = 0
CloseDo(w) == [w EXCEPT !.closed = 1]

\* SHORT: whoever puts a slot aside.
ShortEnabled(w) == w.short = 0
ShortDo(w) == [w EXCEPT !.short = 1]

\* UNSHORT: whoever finds nothing aside.
UnshortEnabled(w) == w.short = 1
UnshortDo(w) == [w EXCEPT !.short = 0]

\* SHOW: whoever has to know that what it read belongs to this word.
ShowEnabled(w) == TRUE
ShowDo(w) == w

\* INSTALL: the submitter at the tail p.
InstallEnabled(c, p) == c.at < p /\ c.seat = 0
InstallDo(c, p, mine) == [c EXCEPT !.at = p, !.seat = mine]

\* CLAIM: the worker that took p.
ClaimEnabled(c, p) == c.at = p /\ c.seat > 0
ClaimDo(c) == [c EXCEPT !.seat = 0]

\* WITHDRAW: the submitter that installed it.
WithdrawEnabled(c, p, mine) == c.at = p /\ c.seat = mine
WithdrawDo(c) == [c EXCEPT !.seat = 0]

\* SEAL: the worker that took p and finds nothing.
SealEnabled(c, p) == c.at < p /\ c.seat = 0
SealDo(c, p) == [c EXCEPT !.at = p]

\* INHERIT: the worker that took p, in the stead of one stopped for a lap.
InheritEnabled(c, p) == c.at < p /\ c.seat > 0
InheritDo(c, p) == [c EXCEPT !.at = p, !.seat = 0]
==============================================================================

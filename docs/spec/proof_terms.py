"""Terms, systems and solvers: what the proofs are written in.

A formula is SMT-LIB 2 text, put together by the few functions below, and every script of conditions goes as the
same text through z3 and through cvc5. A condition passes only if both give the answer that is asked for;
`unknown` is no answer.

A *system* is a signature, axioms, initial states, an invariant in named parts, and actions. An action takes a
state and gives a guard and the next state, in which a changed function is the old one with `ite` around it. So
that nothing has to be said about what does not change.

Letters have sorts: `forall(lambda t, p: ...)` ranges over the sorts that the system gives to `t` and `p`. Proofs
are over all elements of a sort (integers, or a sort without further properties). Where a *model* is asked for, so
that the answer is to be `sat`, the sorts are cut down to a few elements and the quantifiers spelled out: the
solvers then decide the question, and what they find is a state one could draw.
"""
import inspect
import os
import re
import time
from concurrent.futures import ProcessPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 60  # for one condition in one solver

# --- terms ---------------------------------------------------------------------------------------------------


class Term:
    """SMT-LIB text. Comparisons and sums give terms; the connectives are functions."""
    __hash__ = None

    def __init__(self, text):
        self.text = text

    def __eq__(self, other):
        return apply('=', self, other)

    def __ne__(self, other):
        return Not(self == other)

    def __lt__(self, other):
        return apply('<', self, other)

    def __le__(self, other):
        return apply('<=', self, other)

    def __gt__(self, other):
        return apply('>', self, other)

    def __ge__(self, other):
        return apply('>=', self, other)

    def __add__(self, other):
        return apply('+', self, other)

    def __sub__(self, other):
        return apply('-', self, other)

    def __bool__(self):
        raise TypeError('a term is no truth value: ' + self.text)


def term(value):
    if isinstance(value, Term):
        return value
    if isinstance(value, bool):
        return Term('true' if value else 'false')
    if isinstance(value, int):
        return Term(str(value) if value >= 0 else f'(- {-value})')
    return Term(value)


def apply(operator, *arguments):
    return Term(f'({operator} {" ".join(term(a).text for a in arguments)})')


def And(*parts):
    return apply('and', True, *parts)


def Or(*parts):
    return apply('or', False, *parts)


def Not(part):
    return apply('not', part)


def If(condition, *conclusions):
    return apply('=>', condition, And(*conclusions))


def Iff(left, right):
    return apply('=', left, right)


def ite(condition, yes, no):
    return apply('ite', condition, yes, no)


def one_of(value, names):
    return Or(*(value == name for name in names.split()))


class Sorts:
    """What the letters range over now, and of which elements the sorts consist if they are cut down."""
    letters = {}
    elements = None
    count = 0


def quantify(connective, quantifier, body):
    names = list(inspect.signature(body).parameters)
    sorts = [Sorts.letters[name] for name in names]
    if Sorts.elements is not None:
        choices = [[]]
        for sort in sorts:
            choices = [choice + [element] for choice in choices for element in Sorts.elements[sort]]
        return connective(*(body(*map(term, choice)) for choice in choices))
    Sorts.count += 1
    bound = [f'{name}_{Sorts.count}' for name in names]
    binder = ' '.join(f'({name} {base(sort)})' for name, sort in zip(bound, sorts))
    return Term(f'({quantifier} ({binder}) {body(*map(Term, bound)).text})')


def forall(body):
    return quantify(And, 'forall', body)


def exists(body):
    return quantify(Or, 'exists', body)


def base(sort):
    """Sorts written in lower case are integers that range over different things."""
    return 'Int' if sort.islower() else sort


# --- states --------------------------------------------------------------------------------------------------


class State:
    def __init__(self, parts):
        self.__dict__.update(parts)

    def but(self, **changes):
        """This state with some parts changed; of a function, a list of points and their new values."""
        parts = dict(self.__dict__)
        for name, change in changes.items():
            assert name in parts, name
            parts[name] = updated(parts[name], change) if callable(parts[name]) else term(change)
        return State(parts)


def updated(old, change):
    if callable(change):
        return change

    def new(argument):
        value = old(argument)
        for point, there in reversed(change):
            value = ite(argument == point, there, value)
        return value
    return new


def declared(signature):
    """The state whose parts are the declared symbols."""
    parts = {}
    for name, sort in signature.items():
        parts[name] = (lambda a, f=name: apply(f, a)) if isinstance(sort, tuple) else Term(name)
    return State(parts)


# --- the table of transitions --------------------------------------------------------------------------------


def table():
    """transitions.tsv: (object, event) -> (guards, changes); a guard is (left, operator, right), a change
    (name, expression), expressions are lists of signed names and numbers."""
    rows = {}
    with open(os.path.join(HERE, 'transitions.tsv')) as file:
        lines = file.read().splitlines()
    assert lines[0].split('\t') == ['object', 'event', 'guard', 'change', 'who']
    for line in lines[1:]:
        kind, event, guard, change, _ = line.split('\t')
        guards = [re.split(r'\s*(<=|>=|<|>|=)\s*', part.strip()) for part in guard.split(',') if part.strip()]
        changes = [re.split(r'\s*:=\s*', part.strip()) for part in change.split(',') if part.strip()]
        assert all(len(part) == 3 for part in guards) and all(len(part) == 2 for part in changes), line
        rows[kind, event] = (guards, changes)
    return rows


TABLE = table()


def expression(text, values):
    tokens = re.findall(r'[a-z]+|\d+|[+-]', text)
    assert ''.join(tokens) == text.replace(' ', ''), text

    def atom(token):
        return values.number(int(token)) if token.isdigit() else values[token]
    value = atom(tokens[0])
    for sign, token in zip(tokens[1::2], tokens[2::2]):
        value = value + atom(token) if sign == '+' else value - atom(token)
    return value


class Values(dict):
    """What the names of the table stand for. `number` makes a numeral of the same kind."""
    number = staticmethod(term)


def row(kind, event, values):
    """Guard and changes of a row of the table, over `values`."""
    guards, changes = TABLE[kind, event]
    relation = {'=': lambda a, b: a == b, '<': lambda a, b: a < b, '>': lambda a, b: a > b,
                '<=': lambda a, b: a <= b, '>=': lambda a, b: a >= b}
    guard = And(*(relation[o](expression(a, values), expression(b, values)) for a, o, b in guards))
    return guard, {name: expression(text, values) for name, text in changes}


# --- solvers -------------------------------------------------------------------------------------------------


def run_z3(script):
    import z3
    context = z3.Context()
    z3.set_param('timeout', SECONDS * 1000)
    z3.set_param('smt.mbqi', False)     # it is a search for models, and the proofs do without
    return z3.Z3_eval_smtlib2_string(context.ref(), script)


def run_cvc5(script):
    import cvc5
    solver = cvc5.Solver()
    solver.setOption('incremental', 'true')
    solver.setOption('tlimit-per', str(SECONDS * 1000))
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, script, 'script')
    symbols, answers = parser.getSymbolManager(), []
    while not (command := parser.nextCommand()).isNull():
        answers.append(command.invoke(solver, symbols))
    return ''.join(answers)


SOLVERS = {'z3': run_z3, 'cvc5': run_cvc5}
# Each solver is asked in a process of its own, so that they work at the same time.
ASKED = ProcessPoolExecutor(len(SOLVERS))


def ask(solver, script):
    return SOLVERS[solver](script)


def ask_all(script):
    """Each solver and its answer."""
    return zip(SOLVERS, ASKED.map(ask, SOLVERS, [script] * len(SOLVERS)))


class Conditions:
    """One script: declarations, assumptions, and conditions to be checked one by one on top of them."""

    def __init__(self, title, declarations, assumptions):
        self.title = title
        self.lines = ['(set-logic ALL)', *declarations, *(f'(assert {a.text})' for a in assumptions)]
        self.names = []

    def check(self, name, formula):
        self.names.append(name)
        self.lines += ['(push 1)', f'(assert {formula.text})', '(check-sat)', '(pop 1)']

    def answers(self):
        """Per condition the answers of the solvers, from the same text."""
        script = '\n'.join(self.lines) + '\n'
        columns = []
        for solver, answer in ask_all(script):
            answer = answer.split()
            if len(answer) != len(self.names):
                raise Failure(f'{self.title}: {solver} says {" ".join(answer)[:500]}')
            columns.append(answer)
        return list(zip(self.names, zip(*columns)))


class Failure(Exception):
    pass


def expect(wanted, conditions):
    """All solvers give the wanted answer to every condition; how many there were."""
    answers = conditions.answers()
    for name, answer in answers:
        if set(answer) != {wanted}:
            raise Failure(f'{conditions.title}: {name}: {" and ".join(answer)} instead of {wanted}')
    return len(answers)


# --- systems -------------------------------------------------------------------------------------------------


class System:
    """A protocol.

    letters     letter -> sort
    enums       sort -> names
    signature   name -> sort, or (sort, sort) for a function
    fixed       names that no action changes
    axioms      state -> formula, about what is fixed
    initial     state -> formula
    invariant   list of (name, state -> formula)
    actions     list of functions (state, letters...) -> (guard, next state)
    theorems    list of (name, state -> formula): what follows from the invariant
    steps       list of (name, actions or None, (before, after, letters...) -> formula): what every step does
    sizes       sort -> elements, for models
    enough      name of a part -> names of the parts that its proof may use, where all of them are too many
    """

    def __init__(self, name, **parts):
        self.name, self.enough = name, {}
        self.__dict__.update(parts)

    def but(self, **parts):
        return System(**{**self.__dict__, **parts})

    def script(self, title, parameters, *assumptions):
        """A script over the declared state; with the sorts cut down if they are."""
        lines = [f'(declare-datatypes (({s} 0)) (({" ".join(f"({n})" for n in names.split())})))'
                 for s, names in self.enums.items()]
        sorts = {sort for sort in self.letters.values() if not sort.islower()}
        for sort in sorted(sorts):
            if Sorts.elements is None:
                lines.append(f'(declare-sort {sort} 0)')
            else:
                names = ' '.join(f'({name})' for name in Sorts.elements[sort])
                lines.append(f'(declare-datatypes (({sort} 0)) (({names})))')
        ranges = []
        for name, sort in self.signature.items():
            if isinstance(sort, tuple):
                lines.append(f'(declare-fun {name} ({base(sort[0])}) {base(sort[1])})')
                points = [apply(name, e) for e in (Sorts.elements or {}).get(sort[0], [])]
                result = sort[1]
            else:
                lines.append(f'(declare-fun {name} () {base(sort)})')
                points, result = [Term(name)], sort
            if Sorts.elements is not None and result.islower() and result in Sorts.elements:
                low, high = Sorts.elements[result][0], Sorts.elements[result][-1]
                ranges += [And(low <= point, point <= high) for point in points]
        for letter in parameters:
            sort = self.letters[letter]
            lines.append(f'(declare-fun the_{letter} () {base(sort)})')
            if Sorts.elements is not None and sort.islower():
                ranges.append(Or(*(Term(f'the_{letter}') == element for element in Sorts.elements[sort])))
        state = declared(self.signature)
        return Conditions(f'{self.name}: {title}', lines, [self.axioms(state), *ranges, *assumptions])

    def parts(self, state):
        return [(name, part(state)) for name, part in self.invariant]

    def act(self, action, state):
        """Letters of the action, its guard and its next state."""
        letters = list(inspect.signature(action).parameters)[1:]
        guard, after = action(state, *(Term(f'the_{letter}') for letter in letters))
        return letters, guard, after

    def enter(self, cut):
        Sorts.letters = self.letters
        Sorts.elements = None
        if cut:
            Sorts.elements = {}
            for sort, elements in self.sizes.items():
                named = isinstance(elements, int)
                Sorts.elements[sort] = [f'{sort}{i}' for i in range(elements)] if named else list(elements)

    def prove(self):
        """Initial states satisfy the invariant, every action keeps it, and the theorems follow. The number of
        conditions; raises if one fails."""
        self.enter(cut=False)
        state, total = declared(self.signature), 0
        conditions = self.script('initial', [], self.initial(state))
        for name, part in self.parts(state):
            conditions.check(name, Not(part))
        total += expect('unsat', conditions)
        invariant = [part for _, part in self.parts(state)]
        if self.theorems:
            conditions = self.script('theorems', [], *invariant)
            for name, theorem in self.theorems:
                conditions.check(name, Not(theorem(state)))
            total += expect('unsat', conditions)
        for action in self.actions:
            letters, guard, after = self.act(action, state)
            conditions = self.script(action.__name__, letters, *invariant, guard)
            for name, part in self.parts(after):
                if name in self.enough:
                    some = [before for other, before in self.parts(state) if other in self.enough[name]]
                    single = self.script(action.__name__, letters, *some, guard)
                    single.check(name, Not(part))
                    total += expect('unsat', single)
                else:
                    conditions.check(name, Not(part))
            for name, actions, step in self.steps:
                if actions is None or action.__name__ in actions.split():
                    own = list(inspect.signature(step).parameters)[2:]
                    conditions.check(name, Not(step(state, after, *(Term(f'the_{l}') for l in own))))
            total += expect('unsat', conditions)
        return total

    def scenarios(self, scenarios):
        """Each of these exists. The number of models."""
        self.enter(cut=True)
        state = declared(self.signature)
        conditions = self.script('scenarios', [], *(part for _, part in self.parts(state)))
        for name, scenario in scenarios:
            conditions.check(name, scenario(state))
        return expect('sat', conditions)

    def witness(self, scenarios):
        """Nothing above is true for want of states: initial states, states in which each action is enabled, and
        each of the scenarios, exist. The number of models."""
        self.enter(cut=True)
        state, total = declared(self.signature), 0
        conditions = self.script('initial', [])
        conditions.check('exists', self.initial(state))
        total += expect('sat', conditions)
        total += self.scenarios(scenarios)
        invariant = [part for _, part in self.parts(state)]
        for action in self.actions:
            letters, guard, _ = self.act(action, state)
            conditions = self.script(action.__name__, letters, *invariant)
            conditions.check('enabled', guard)
            total += expect('sat', conditions)
        return total

    def lost(self, action):
        """The names of what this action does not keep, in states of the sizes; the solvers agree."""
        self.enter(cut=True)
        state = declared(self.signature)
        letters, guard, after = self.act(action, state)
        conditions = self.script(action.__name__, letters, *(part for _, part in self.parts(state)), guard)
        for name, part in self.parts(after):
            conditions.check(name, Not(part))
        for name, actions, step in self.steps:
            if actions is None or action.__name__ in actions.split():
                own = list(inspect.signature(step).parameters)[2:]
                conditions.check(name, Not(step(state, after, *(Term(f'the_{l}') for l in own))))
        answers = conditions.answers()
        for name, answer in answers:
            if len(set(answer)) != 1 or answer[0] not in ('sat', 'unsat'):
                raise Failure(f'{conditions.title}: {name}: {" and ".join(answer)}')
        return [name for name, answer in answers if answer[0] == 'sat']

    def refute(self, broken, instead_of, parts):
        """With the action `broken` in the place of another, the named parts of the invariant (or steps) do not
        hold: both solvers find a state from which it breaks them. The number of counter-models."""
        self.enter(cut=True)
        assert instead_of in [action.__name__ for action in self.actions], instead_of
        state = declared(self.signature)
        letters, guard, after = self.act(broken, state)
        invariant = [part for _, part in self.parts(state)]
        conditions = self.script(broken.__name__, letters, *invariant, guard)
        found = []
        for name, part in self.parts(after):
            if name in parts:
                found.append(name)
                conditions.check(name, Not(part))
        for name, actions, step in self.steps:
            if name in parts:
                found.append(name)
                own = list(inspect.signature(step).parameters)[2:]
                conditions.check(name, Not(step(state, after, *(Term(f'the_{l}') for l in own))))
        assert set(found) == set(parts), (found, parts)
        return expect('sat', conditions)


# --- evidence ------------------------------------------------------------------------------------------------


class Evidence:
    """One line for each check."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, guarantees, unit, run):
        begin = time.time()
        try:
            number = run()
            if not number:
                raise Failure(f'{name}: no condition was checked')
        except Failure as failure:
            self.failed += 1
            print(f'FAILED {name}: {failure}', flush=True)
            return
        self.passed += 1
        seconds = f'{time.time() - begin:.1f}'
        print('\t'.join(['evidence', 'proof', name, guarantees, 'z3 & cvc5', str(number), unit, seconds]), flush=True)

"""Takes source files apart into what can change by itself: the body of each function, and all that is outside of them.

Runs in a process of its own (`python -I -S -c`), reads a JSON list of paths from its standard input and writes one JSON
object there for each, in that order. It imports nothing of the project. With the argument `names` it says instead which
names each part of a file mentions.

What is outside of functions is a rest and pieces: what the module binds to a name, once and not under a condition, and
the tests of a class. A piece is plain where binding it does nothing else: `LIMIT = 10` and a function without a
decorator are, `app = Flask(__name__)` and a class are not.
"""

import ast
import builtins
import hashlib
import json
import re
import sys

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BUILTINS = frozenset(dir(builtins)) | {"__file__", "__name__", "__path__"}
_MADE = (ast.Dict, ast.List, ast.Set, ast.Tuple, ast.Constant, ast.ListComp, ast.DictComp)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")

_ENVIRONMENT = frozenset(["environ", "environb", "getenv", "getenvb"])
#: What asks for files without opening them. No audit hook sees that.
_ASKS = frozenset(
    "exists lexists isfile isdir islink ismount is_file is_dir is_symlink stat lstat access getmtime getsize samefile "
    "glob iglob rglob iterdir walk resource_exists".split()
)
#: What finds modules, or classes, that no import statement names.
_FINDS = frozenset(
    "import_module __import__ importorskip find_spec exec_module load_module run_module run_path entry_points "
    "iter_entry_points walk_packages iter_modules spec_from_file_location find_loader autodiscover "
    "autodiscover_modules import_string __subclasses__ get_objects".split()
)
#: Built-in functions that make a value out of literals.
_PLAIN_CALLS = frozenset("frozenset set dict list tuple range".split())
#: Parts of literals.
_LITERALS = (
    *(ast.Constant, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.UnaryOp, ast.BinOp),
    *(ast.operator, ast.unaryop, ast.expr_context),
)
#: Calls that get at one name of their first argument: `monkeypatch.setattr(shop, "LIMIT", 3)`, `patch.object(…)`.
_BY_NAME = frozenset("getattr hasattr setattr delattr object".split())
#: What gets at modules by names that are made up, or at all names of some module.
_MODULES = frozenset(
    "import_module __import__ module_from_spec run_module run_path reload loadTestsFromName loadTestsFromNames "
    "__globals__ f_globals f_locals".split()
)
_ITSELF = "sys.modules[__name__]"
_WORD = re.compile(r"[^\W\d]\w*")
_DASHED = re.compile(r"[^\W\d][\w-]*-[\w-]+")
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_FORMAT = re.compile(r"%[-#0 +]*[0-9]*[a-zA-Z]|\{[^{}]*\}")
_LONGEST = 100


def _text(node):
    return ast.dump(node, annotate_fields=False)


def _hash(nodes):
    digest = hashlib.sha256()
    for node in nodes:
        digest.update(_text(node).encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()


def _last(node):
    """The last part of the name that a call or a decorator has."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_literal(value):
    """Whether to compute it makes a value and does nothing else, whatever the project defines."""
    if isinstance(value, ast.Call):
        is_plain = isinstance(value.func, ast.Name) and value.func.id in _PLAIN_CALLS and not value.keywords
        return is_plain and all(map(_is_literal, value.args))
    return all(isinstance(node, _LITERALS) for node in ast.walk(value))


def _is_plain_function(node):
    """A test may have marks: these are about it alone."""
    for decorator in node.decorator_list:
        name = _dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
        is_mark = name.startswith(("pytest.mark.", "unittest.skip", "unittest.expected"))
        if not (is_mark and node.name.startswith("test")):
            return False
    defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
    return all(isinstance(value, ast.Name) or _is_literal(value) for value in defaults)


def _dotted(node):
    """`a.b` of `a.b`; nothing of what is no name."""
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return before and before + "." + node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _words(text):
    """Names in a text; `visit_` of `"visit_%s"` stands for all that begin so, `_handler` for all that end so."""
    found = set(_WORD.findall(text))
    found.update(_WORD.findall(_FORMAT.sub(" ", text)))
    found.update(word.replace("-", "") for word in _DASHED.findall(text))
    return {word for word in found if len(word) <= _LONGEST}


def _arguments(arguments):
    return [*getattr(arguments, "posonlyargs", []), *arguments.args, *arguments.kwonlyargs]


def _fixtures(node):
    """Arguments that a runner gives by their names: of a test, and of what a decorator makes a fixture."""
    if isinstance(node, ast.ClassDef) or not (node.decorator_list or node.name.startswith("test")):
        return []
    return [argument.arg for argument in _arguments(node.args)]


def _variables(arguments, body):
    """Names that are a function's own."""
    found = {argument.arg for argument in _arguments(arguments)}
    found.update(argument.arg for argument in (arguments.vararg, arguments.kwarg) if argument is not None)
    others = set()
    open_nodes = list(body)
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            others.update(node.names)
        # These have variables of their own.
        inner = (*_FUNCTIONS, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
        if not isinstance(node, inner):
            open_nodes.extend(ast.iter_child_nodes(node))
    return found - others


class _Mentions:
    """Names that some code mentions, in texts too, and whether it may have all that a module has."""

    def __init__(self, nodes, own=frozenset()):
        #: Variables of the function: none of the module.
        self._own = own
        self.names = set()
        #: `sys.modules` where a module is put into it or taken out.
        self._put = set()
        #: Whether it has all names of its own module, and whether it may have any module.
        self.globals = False
        self.modules = False
        #: Words in texts, and whether it gets at something by a name that it makes: these may be parts of it.
        self.words = set()
        self.makes = False
        for top in nodes:
            if isinstance(top, ast.Expr) and isinstance(top.value, ast.Constant):
                # A docstring is no data.
                continue
            for node in ast.walk(top):
                self._look(node)

    def _look(self, node):
        names = ()
        if isinstance(node, ast.Name):
            names = () if node.id in self._own else (node.id,)
        elif isinstance(node, ast.Attribute):
            names = (node.attr,)
            if node.attr == "pop":
                self._put.add(id(node.value))
            is_all = node.attr == "modules" and _last(node.value) == "sys"
            self.modules = self.modules or (is_all and id(node) not in self._put)
        elif isinstance(node, ast.Subscript):
            if not isinstance(node.ctx, ast.Load):
                self._put.add(id(node.value))
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            names = (node.name, *_fixtures(node))
        elif isinstance(node, ast.keyword):
            names = (node.arg or "",)
        elif isinstance(node, ast.alias):
            names = (*node.name.split("."), node.asname or "")
        elif isinstance(node, ast.ImportFrom):
            names = (node.module or "").split(".")
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            names = node.names
        elif isinstance(node, ast.ExceptHandler):
            names = (node.name or "",)
        elif isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            value = node.value
            names = _words(value if isinstance(value, str) else value.decode("latin-1"))
            self.words.update(names)
        elif isinstance(node, ast.Call):
            if _last(node) in _BY_NAME:
                self.makes = self.makes or any(not isinstance(name, ast.Constant) for name in node.args[1:2])
            is_bare = _last(node) in ("vars", "dir") and not node.args
            self.globals = self.globals or is_bare or _last(node) in ("globals", "locals")
        self.names.update(names)
        if not isinstance(node, ast.Constant):
            self.modules = self.modules or not _MODULES.isdisjoint(names)

    def add(self, other):
        """Takes what another one mentions."""
        self.names |= other.names
        self.words |= other.words
        self.globals = self.globals or other.globals
        self.modules = self.modules or other.modules
        self.makes = self.makes or other.makes

    def record(self):
        self.names.discard("")
        parts = sorted(word for word in self.words if len(word) > 2) if self.makes else []
        found = {"names": sorted(self.names), "globals": self.globals, "modules": self.modules}
        return dict(found, parts=parts)


def _values(tree):
    """Names of imports that are used as values: what has a module may look through it."""
    bases = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            bases.add(id(node.func))
        if isinstance(node, ast.Attribute) and node.attr != "__dict__":
            bases.add(id(node.value))
        elif isinstance(node, ast.Call) and _last(node) in _BY_NAME and node.args:
            bases.add(id(node.args[0]))
    found = _itself(tree)
    open_nodes = [(tree, frozenset())]
    while open_nodes:
        node, own = open_nodes.pop()
        if isinstance(node, _FUNCTIONS):
            own = own | _variables(node.args, node.body)
        elif isinstance(node, ast.Lambda):
            own = own | {argument.arg for argument in _arguments(node.args)}
        elif isinstance(node, ast.Name) and node.id not in own and id(node) not in bases:
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and id(node) not in bases:
            # `load(app.settings)`
            found.add(node.attr)
        open_nodes.extend((child, own) for child in ast.iter_child_nodes(node))
    return found


def _itself(tree):
    """Whether it gets at its own module as `sys.modules[__name__]`."""
    parts = (node for node in ast.walk(tree) if isinstance(node, ast.Subscript))
    keys = (node.slice for node in parts if _last(node.value) == "modules")
    return {_ITSELF} if any("id='__name__'" in ast.dump(key) for key in keys) else set()


def _texts(tree):
    """Texts that may be the name of a module."""
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    texts = (text for text in constants if isinstance(text, str) and len(text) <= _LONGEST)
    return {text for text in texts if _DOTTED.fullmatch(text)}


class _Traits:
    """What some code does that cannot be seen while it runs."""

    def __init__(self):
        self.environment = False
        self.asks = False
        self.finds = False
        self.names = set()

    def look(self, nodes):
        for top in nodes:
            for node in ast.walk(top):
                name = None
                if isinstance(node, ast.Name):
                    name = node.id
                elif isinstance(node, ast.Attribute):
                    name = node.attr
                elif isinstance(node, ast.alias):
                    # Under its own name it is seen where it is used: `import stat` asks for nothing.
                    name = node.name if node.asname not in (None, node.name) else None
                elif isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
                    value = node.value
                    value = value if isinstance(value, str) else value.decode("latin-1")
                    if _NAME.fullmatch(value):
                        self.names.add(value)
                if name is not None:
                    self.environment = self.environment or name in _ENVIRONMENT
                    self.asks = self.asks or name in _ASKS
                    self.finds = self.finds or name in _FINDS
        return self

    def record(self):
        found = {}
        if self.environment:
            found["environment"] = sorted(self.names)
        if self.asks:
            found["asks"] = True
        if self.finds:
            found["finds"] = True
        return found


def _is_main(node):
    """Whether it is what runs only where the file is the program."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
        and not node.orelse
    )


def _root(node):
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


class _File:
    def __init__(self, tree):
        self.units = {}
        self.classes = []
        self.imports = []
        self.own = set()
        #: Qualified name, arguments and body of each function.
        self.bodies = []
        #: By the name that each has in the module.
        bound = {}
        self._acting = []
        for node in tree.body:
            self._names(node)
        for node in tree.body:
            self._effects(node)
        self._imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
        for node in self._imports:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.imports.append([0, alias.name, []])
                    bound.setdefault(alias.asname or alias.name.split(".")[0], []).append(self.imports[-1])
            else:
                self.imports.append([node.level, node.module or "", [alias.name for alias in node.names]])
                for alias in node.names:
                    bound.setdefault(alias.asname or alias.name, []).append(self.imports[-1])
        self.acts = self._through(bound) if self._acting else None
        self._take(tree, "")
        self.outside = self._record([tree])
        self._pieces(tree)

    def _pieces(self, tree):
        """Takes what is outside of functions apart; their bodies are gone already."""
        self.pieces = {}
        self.rest = []
        self.nodes = {}
        #: What stands where: names, and hashes of the rest.
        self.order = []
        found = []
        for node in tree.body:
            found.extend(self._bound(node))
        names = [name for name, _, _ in found]
        for name, node, plain in found:
            if name is None or names.count(name) > 1:
                self.rest.append(node)
                self.order.append("#" + _hash([node])[:16])
            elif isinstance(node, ast.ClassDef):
                self._class(node)
            else:
                self._piece(name, node, plain)

    @staticmethod
    def _bound(node):
        """Each name that a statement binds, the statement, and whether it does nothing else."""
        if isinstance(node, _FUNCTIONS):
            return [(node.name, node, _is_plain_function(node))]
        if isinstance(node, ast.ClassDef):
            return [(node.name, node, False)]
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if len(targets) == 1 and isinstance(targets[0], ast.Name):
                return [(targets[0].id, node, node.value is None or _is_literal(node.value))]
        if isinstance(node, (ast.Import, ast.ImportFrom)) and getattr(node, "module", "") != "__future__":
            aliases = [(alias.asname or alias.name.split(".")[0], alias) for alias in node.names]
            if all(name != "*" for name, _ in aliases):
                found = []
                for name, alias in aliases:
                    if isinstance(node, ast.Import):
                        one = ast.Import([alias])
                    else:
                        one = ast.ImportFrom(node.module, [alias], node.level)
                    found.append((name, one, True))
                return found
        return [(None, node, False)]

    def _piece(self, name, node, plain):
        self.nodes[name] = node
        self.order.append(name)
        piece = self.pieces[name] = {"hash": _hash([node])[:32]}
        if not plain:
            piece["acts"] = True
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = node.names[0].name if isinstance(node, ast.Import) else node.module or ""
            piece["imports"] = [getattr(node, "level", 0), module, [node.names[0].name]]

    def _class(self, node):
        """Of a class, tests may come and go; all else is one piece."""
        functions = [inner.name for inner in node.body if isinstance(inner, _FUNCTIONS)]
        tests, others = [], []
        for inner in node.body:
            is_test = isinstance(inner, _FUNCTIONS) and inner.name.startswith("test")
            is_test = is_test and functions.count(inner.name) == 1 and _is_plain_function(inner)
            (tests if is_test else others).append(inner)
        head = ast.ClassDef(node.name, node.bases, node.keywords, others, node.decorator_list)
        if hasattr(node, "type_params"):
            head.type_params = node.type_params
        self._piece(node.name, head, False)
        for test in tests:
            self._piece(node.name + "." + test.name, test, True)

    def _names(self, node):
        """Names that the module itself gives to what it makes."""
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            self.own.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            # What another module made is not its own for having a name here.
            if isinstance(node.value, _MADE):
                self.own.update(target.id for target in targets if isinstance(target, ast.Name))

    def _effects(self, node):
        """Whether importing it changes what is not its own."""
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)) or _is_main(node):
            return
        if isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.Await, ast.Yield)):
            self._acting.append(node)
        targets = []
        if isinstance(node, (ast.Assign, ast.Delete)):
            targets = node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.For)):
            targets = [node.target]
        for target in targets:
            for part in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
                if isinstance(part, (ast.Attribute, ast.Subscript)) and _root(part) not in self.own:
                    self._acting.append(node)
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.stmt):
                self._effects(inner)
            elif isinstance(inner, ast.ExceptHandler) or type(inner).__name__ == "match_case":
                for each in inner.body:
                    self._effects(each)

    def _through(self, bound):
        """The imports by which what it changes may depend on others."""
        used = {node.id for top in self._acting for node in ast.walk(top) if isinstance(node, ast.Name)}
        if used <= bound.keys() | _BUILTINS:
            return [each for name in sorted(used & bound.keys()) for each in bound[name]]
        # By names that it made itself, out of whatever it imports.
        return list(self.imports)

    def _take(self, node, prefix):
        """Takes the bodies of functions out of `node`, the innermost first."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, _FUNCTIONS):
                name = prefix + child.name
                self._take(child, name + ".<locals>.")
                unit = self._record(child.body)
                self.bodies.append((name, child.args, child.body))
                # Several may have one name: an overload, a property with its setter, one for each platform.
                known = self.units.get(name)
                if known is not None:
                    unit["hash"] = hashlib.sha256((known["hash"] + unit["hash"]).encode()).hexdigest()
                    for key in ("environment", "asks", "finds"):
                        if key in known:
                            both = known[key] if key not in unit else known[key] + unit[key]
                            unit[key] = both if key == "environment" else True
                self.units[name] = unit
                child.body = []
            elif isinstance(child, ast.ClassDef):
                self.classes.append(prefix + child.name)
                self._take(child, prefix + child.name + ".")
            else:
                self._take(child, prefix)

    def module_names(self):
        """Last part of the name of each module that may be imported, with the name that it has here."""
        for tree in self._imports:
            for alias in tree.names:
                yield alias.name.rpartition(".")[2], alias.asname or alias.name.split(".")[0]

    @staticmethod
    def _record(nodes):
        return dict(_Traits().look(nodes).record(), hash=_hash(nodes))


def take_apart(tree):
    """What is in a file."""
    found = _File(tree)
    return {
        "units": found.units,
        "classes": found.classes,
        "imports": found.imports,
        "outside": found.outside,
        "acts": found.acts,
        "pieces": found.pieces,
        "rest": _hash(found.rest)[:32],
        "order": found.order,
    }


def names_in(tree):
    """What each part of a file mentions."""
    # Before the bodies of functions are taken out.
    values, texts = _values(tree), _texts(tree)
    found = _File(tree)
    units = {}
    for name, arguments, body in found.bodies:
        mentions = _Mentions(body, _variables(arguments, body))
        # Several functions may have one name.
        if name in units:
            units[name].add(mentions)
        else:
            units[name] = mentions
    return {
        "units": {name: unit.record() for name, unit in units.items()},
        "pieces": {name: _Mentions([node]).record() for name, node in found.nodes.items()},
        "rest": _Mentions(found.rest).record(),
        "bare": sorted(values),
        "texts": sorted(texts),
        "stars": [each[1] for each in found.imports if "*" in each[2]],
        "modules": sorted(set(found.module_names())),
    }


def of_file(path, look):
    """What `look` says of a file, or nothing where it cannot be read as Python."""
    try:
        with open(path, "rb") as file:
            source = file.read()
        return dict(look(ast.parse(source)), content=hashlib.sha256(source).hexdigest())
    except Exception:
        return None


def main():
    look = names_in if sys.argv[1:] == ["names"] else take_apart
    for path in json.load(sys.stdin):
        json.dump(of_file(path, look), sys.stdout)
        sys.stdout.write("\n")


if __name__ == "__main__":
    sys.setrecursionlimit(20000)
    main()

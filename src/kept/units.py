"""Takes source files apart into what can change by itself: the body of each function, and all that is outside of them.

Runs in a process of its own (`python -I -S -c`), reads a JSON list of paths from its standard input and writes one JSON
object there for each, in that order. It imports nothing of the project.
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


def _text(node):
    return ast.dump(node, annotate_fields=False)


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
                    name = node.name
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
        #: By the name that each has in the module.
        bound = {}
        self._acting = []
        for node in tree.body:
            self._names(node)
        for node in tree.body:
            self._effects(node)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.imports.append([0, alias.name, []])
                    bound.setdefault(alias.asname or alias.name.split(".")[0], []).append(self.imports[-1])
            elif isinstance(node, ast.ImportFrom):
                self.imports.append([node.level, node.module or "", [alias.name for alias in node.names]])
                for alias in node.names:
                    bound.setdefault(alias.asname or alias.name, []).append(self.imports[-1])
        self.acts = self._through(bound) if self._acting else None
        self._take(tree, "")
        self.outside = self._record([tree])

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

    @staticmethod
    def _record(nodes):
        digest = hashlib.sha256()
        for node in nodes:
            digest.update(_text(node).encode("utf-8", "surrogatepass"))
            digest.update(b"\0")
        return dict(_Traits().look(nodes).record(), hash=digest.hexdigest())


def take_apart(path):
    """What is in a file, or nothing where it cannot be read as Python."""
    try:
        with open(path, "rb") as file:
            source = file.read()
        digest = hashlib.sha256(source).hexdigest()
        found = _File(ast.parse(source))
    except Exception:
        return None
    return {
        "content": digest,
        "units": found.units,
        "classes": found.classes,
        "imports": found.imports,
        "outside": found.outside,
        "acts": found.acts,
    }


def main():
    for path in json.load(sys.stdin):
        json.dump(take_apart(path), sys.stdout)
        sys.stdout.write("\n")


if __name__ == "__main__":
    sys.setrecursionlimit(20000)
    main()

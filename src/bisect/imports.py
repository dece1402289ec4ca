# Says where what a checkout holds would be imported from: "leakcheck-imports: " and one JSON list a line, of name, the
# folder of the checkout that has it, and the file that would be loaded. The current directory is the checkout.

import importlib.util
import json
import os
import sys

folders = [os.getcwd()]
for name in ("src", "lib"):
    path = os.path.join(folders[0], name)
    if os.path.isdir(path) and not os.path.exists(os.path.join(path, "__init__.py")):
        folders.append(path)

for folder in folders:
    for entry in sorted(os.listdir(folder)):
        if os.path.exists(os.path.join(folder, entry, "__init__.py")):
            name = entry
        elif entry.endswith(".py") and folder != folders[0]:
            name = entry[:-3]
        else:
            continue
        # A project may have a package of tests, as others that are installed have.
        if not name.isidentifier() or name in ("test", "tests", "docs", "setup", "conftest"):
            continue
        try:
            spec = importlib.util.find_spec(name)
        except Exception:
            continue
        origin = spec and (spec.origin or next(iter(spec.submodule_search_locations or ()), None))
        if origin and os.path.exists(origin):
            print("leakcheck-imports: " + json.dumps([name, folder, os.path.realpath(origin)]))
sys.stdout.flush()

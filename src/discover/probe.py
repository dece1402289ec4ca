# Run by leakcheck to learn about a Python: prints one line of JSON on stdout, after a mark that
# tells it from what a project's start-up code may print. It must be valid in Python 2.7 as well,
# so that an old Python can say how old it is.
#
# It runs without -I, because the tests will: pytest may be found only through PYTHONPATH or the
# user's own site-packages, and PYTHONMALLOC changes what there is to count. What -I would protect
# from is handled here: no file of the project or of PYTHONPATH may stand in for a module that this
# program needs, so the standard library goes first while it is imported.
import os
import sys

# With -c, the current directory comes first; the tests get it in their own way.
PATH = [entry for entry in sys.path if entry != ""]
STDLIB = os.path.dirname(os.__file__)


def foreign(entry):
    return "-packages" in entry or not entry.startswith(STDLIB)


sys.path[:] = sorted(PATH, key=foreign)

import json
import platform


def text(path):
    """Path with what is not UTF-8 as characters of its own, for JSON has no other text."""
    return "".join(chr(0x102180 + ord(c)) if "\udc80" <= c <= "\udcff" else c for c in path)


def libc():
    """Name and version of the C library."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, ValueError, OSError):
        name, version = "", ""
    if name:
        return name, version
    build = "%s %s" % (sysconfig.get_config_var("SOABI"), sysconfig.get_config_var("HOST_GNU_TYPE"))
    if "musl" in build:
        return "musl", ""
    if sys.platform == "darwin":
        return "macOS", platform.mac_ver()[0]
    return platform.libc_ver()


def jit():
    """Whether the just-in-time compiler is on."""
    try:
        return bool(sys._jit.is_enabled())
    except Exception:
        return False


def mallinfo():
    """The best of the functions that say how much malloc has given out."""
    try:
        import ctypes

        program = ctypes.CDLL(None)
    except Exception:
        return None
    for name in ("mallinfo2", "mallinfo"):
        if hasattr(program, name):
            return name
    return None


def pytest_version():
    """Version of pytest, without importing it; a folder that is only called pytest is not it."""
    try:
        spec = importlib.util.find_spec("pytest")
    except Exception:
        return None
    if spec is None or spec.origin in (None, "namespace"):
        return None
    try:
        return importlib.metadata.version("pytest")
    except importlib.metadata.PackageNotFoundError:
        # Copied somewhere rather than installed.
        return "unknown"


def plugins():
    """Names of the pytest plugins that would load by themselves."""
    names = set()
    for distribution in importlib.metadata.distributions():
        try:
            entries = list(distribution.entry_points)
        except Exception:
            # A damaged package; pytest would not see its plugins either.
            continue
        names.update(entry.name for entry in entries if entry.group == "pytest11")
    return sorted(names)


answer = {
    "version": list(sys.version_info[:3]),
    "version_text": platform.python_version(),
    "implementation": platform.python_implementation(),
}
if sys.version_info >= (3, 8) and answer["implementation"] == "CPython":
    import importlib.metadata
    import importlib.util
    import site
    import sysconfig

    libc_name, libc_version = libc()
    mallinfo_name = mallinfo()
    sys.path[:] = PATH
    places = sysconfig.get_paths()
    answer["facts"] = {
        "executable": text(sys.executable or ""),
        "platform": sys.platform,
        "machine": platform.machine(),
        "libc": [libc_name, libc_version],
        "debug": bool(sysconfig.get_config_var("Py_DEBUG")) or hasattr(sys, "gettotalrefcount"),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "references": sys.gettotalrefcount() if hasattr(sys, "gettotalrefcount") else None,
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "jit": jit(),
        # None are counted when another allocator is in use.
        "pymalloc": sys.getallocatedblocks() > 0,
        "python_malloc": os.environ.get("PYTHONMALLOC") or None,
        # Whether it has one of its own, in use or not.
        "own_malloc": bool(sysconfig.get_config_var("WITH_PYMALLOC")),
        "mallinfo": mallinfo_name,
        "pytest": pytest_version(),
        "plugins": plugins(),
        "paths": {
            "prefix": text(sys.prefix),
            "base_prefix": text(sys.base_prefix),
            "stdlib": text(places["stdlib"]),
            "platstdlib": text(places["platstdlib"]),
            "purelib": text(places["purelib"]),
            "platlib": text(places["platlib"]),
            "site_packages": [text(path) for path in site.getsitepackages()],
            "user_site": text(site.getusersitepackages()) if site.ENABLE_USER_SITE else None,
        },
    }

sys.stdout.write("\nleakcheck-probe: " + json.dumps(answer) + "\n")

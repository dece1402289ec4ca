"""`pytest --leakcheck`: has leakcheck run the same tests with the same arguments, and ends as it ends.

pytest imports this wherever the wheel is installed. Without the option it does nothing, and in leakcheck's own
processes, whose arguments may come from the project's settings, neither does it with.
"""


def pytest_addoption(parser):
    """The option."""
    group = parser.getgroup("leakcheck", "memory leaks")
    group.addoption(
        "--leakcheck",
        action="store_true",
        help="repeat each test and fail if memory, a descriptor or a thread is left behind each time (leakcheck run)",
    )


def pytest_cmdline_main(config):
    """Instead of pytest's own run where it is given."""
    import sys

    if not config.getoption("leakcheck") or "leakcheck_bridge" in sys.modules:
        return None
    import os
    import shutil
    import subprocess

    beside = os.path.join(os.path.dirname(sys.executable), "leakcheck")
    program = beside if os.path.isfile(beside) else shutil.which("leakcheck")
    if program is None:
        sys.stderr.write("leakcheck: there is no program leakcheck beside {} nor on PATH\n".format(sys.executable))
        return 4
    asked = config.invocation_params
    arguments = [str(argument) for argument in asked.args if argument != "--leakcheck"]
    command = [program, "run", "--runner", "pytest", "--python", sys.executable, "--", *arguments]
    sys.stdout.flush()
    return subprocess.call(command, cwd=str(asked.dir))

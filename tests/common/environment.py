"""Makes a virtual environment where there is none yet, one process at a time.

Arguments: the folder of the environment, and the text of its requirements file.
"""

import fcntl
import os
import shutil
import subprocess
import sys


def ready(marker, requirements):
    try:
        with open(marker) as file:
            return file.read() == requirements
    except OSError:
        return False


def main(folder, requirements):
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with open(folder + ".lock", "w") as lock:
        # Released with the process, however that ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
        marker = os.path.join(folder, "ready")
        if ready(marker, requirements):
            return
        shutil.rmtree(folder, ignore_errors=True)
        lines = [line for line in requirements.splitlines() if line and not line.startswith("#")]
        bare = [] if lines else ["--without-pip"]
        subprocess.check_call([sys.executable, "-m", "venv", *bare, folder])
        if lines:
            python = os.path.join(folder, "bin", "python")
            subprocess.check_call([python, "-m", "pip", "install", "--quiet", *lines])
        with open(marker, "w") as file:
            file.write(requirements)


main(*sys.argv[1:])

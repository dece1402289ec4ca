"""Writes the recipes of a page to files: every code block whose first line is a comment with a path."""

import pathlib
import re
import sys

BLOCK = re.compile(r"^```\w*\n(?:#!.*\n)?(?:#|//) ([\w./-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def main():
    page, folder = map(pathlib.Path, sys.argv[1:])
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    for path, text in found:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        # An Action at a commit of the reader's own choice.
        file.write_text(text.replace("OWNER/leakcheck@COMMIT", "owner/leakcheck@" + 40 * "0"), encoding="utf-8")
    if len(found) < 8:
        sys.exit("only {} recipes in {}".format(len(found), page))


if __name__ == "__main__":
    main()

"""Makes the site of the documentation: `python3 site/build.py LEAKCHECK OUT`.

LEAKCHECK is the built command, OUT a folder that is made anew. The pages are those of the repository (`docs/` and what
stands in its root); the live report is made by running LEAKCHECK on the example project. Needs mdBook 0.5 on PATH or in
MDBOOK. In a workflow on GitHub, links to files that are no page lead to the repository; elsewhere they are plain text.
It ends with an error where a link of the built site leads nowhere.
"""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent

# Pages that do not lie in docs/, and the one whose name would make it a second first page.
RENAMED = {
    "README.md": "README.md",
    "docs/README.md": "contents.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
    "fixtures/README.md": "fixtures.md",
    "site/example.md": "example.md",
}
# As site/example.md links to it; the build makes it.
REPORT = "site/report.html"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
CODE = re.compile(r"^(## )(LK\d+): .*$", re.MULTILINE)
FENCE = re.compile(r"^(```.*?^```)$", re.MULTILINE | re.DOTALL)


def name_in_book(path):
    """Where a file of the repository is in the book: `docs/ci.md` is `ci.md`. None for one that is not in it."""
    if path in RENAMED:
        return RENAMED[path]
    if path == REPORT:
        return "report.html"
    folder, _, name = path.rpartition("/")
    return name if folder == "docs" else None


def repository():
    """Where files of the commit that is built can be read."""
    server, name, commit = (os.environ.get("GITHUB_" + key) for key in ("SERVER_URL", "REPOSITORY", "SHA"))
    return f"{server}/{name}/blob/{commit}/" if server and name and commit else None


def linked(path, link):
    """The text of a page, each link to a file of the repository made anew by `link(image, text, file, place)`."""
    folder = (ROOT / path).parent

    def replaced(found):
        image, text, target = found.groups()
        if target.startswith(("https://", "#")):
            return found.group()
        file, mark, place = target.partition("#")
        return link(image, text, os.path.relpath((folder / file).resolve(), ROOT), mark + place)

    parts = FENCE.split((ROOT / path).read_text(encoding="utf-8"))
    parts[::2] = [LINK.sub(replaced, part) for part in parts[::2]]
    return "".join(parts)


def page(path):
    """The text of a page, with links as they are in the book, and each code under an address of its own."""

    def link(image, text, inside, place):
        name = name_in_book(inside)
        if name == "leaks.md":
            place = re.sub(r"^#lk(\d+)-.*", r"#LK\1", place)
        if name:
            return f"{image}[{text}]({name}{place})"
        there = repository()
        return f"[{text}]({there}{inside})" if there else text

    text = linked(path, link)
    # `leaks.html#LK101`, whatever the rest of the heading says by then.
    return CODE.sub(r"\g<0> {#\2}", text) if path == "docs/leaks.md" else text


def sources(out):
    """Lays out what mdBook reads."""
    out.mkdir(parents=True)
    for file in sorted((ROOT / "docs").iterdir()):
        if file.suffix == ".md":
            path = f"docs/{file.name}"
            (out / name_in_book(path)).write_text(page(path), encoding="utf-8")
        else:
            shutil.copy(file, out)
    for path, name in RENAMED.items():
        (out / name).write_text(page(path), encoding="utf-8")
    shutil.copy(ROOT / "site/SUMMARY.md", out)


def example(leakcheck, out):
    """The report of the example project, whose eight leaks are exit code 1."""
    command = [leakcheck, "run", ROOT / "fixtures/seed", "--quiet", "--report", f"html={out}"]
    status = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    if status != 1:
        sys.exit(f"the example project: expected exit code 1, got {status}")


class Page(HTMLParser):
    """What a page links to, and what it can be linked by."""

    def __init__(self, text):
        super().__init__()
        self.targets, self.names = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.targets.append(value)
            elif name == "id":
                self.names.add(value)


def dead_links(site):
    """Each link inside the site that leads nowhere."""
    pages = {file: Page(file.read_text(encoding="utf-8")) for file in site.rglob("*.html")}
    for file, of in pages.items():
        for target in of.targets:
            parts = urlsplit(target)
            # The page of a missing address is shown at any depth, and so begins at the root.
            if parts.scheme or parts.netloc or file.name == "404.html":
                continue
            to = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            to = to / "index.html" if to.is_dir() else to
            place = unquote(parts.fragment)
            if not to.exists() or (place and to in pages and place not in pages[to].names):
                yield f"{file.relative_to(site)}: {target}"


def missing(leakcheck, site):
    """Each code and rule that the command explains, and whose address leads nowhere (`src/report/address.rs`)."""
    listed = subprocess.run([leakcheck, "explain"], stdout=subprocess.PIPE, text=True, check=True).stdout
    names = re.findall(r"^  (\S+)  ", listed, re.MULTILINE)
    pages = {name: Page((site / name).read_text(encoding="utf-8")) for name in ("leaks.html", "rules.html")}
    for name in names:
        page = "leaks.html" if name.startswith("LK") else "rules.html"
        if name not in pages[page].names:
            yield f"{page}#{name}"
    if len(names) < 50:
        yield f"leakcheck explain lists {len(names)} only"


def main(leakcheck, out):
    leakcheck, out = os.path.abspath(leakcheck), Path(out).resolve()
    shutil.rmtree(out, ignore_errors=True)
    sources(out / "src")
    for file in ("book.toml", "site.css"):
        shutil.copy(ROOT / "site" / file, out)
    example(leakcheck, out / "src/report.html")
    subprocess.run([os.environ.get("MDBOOK", "mdbook"), "build", out], check=True)
    dead = sorted({*dead_links(out / "book"), *missing(leakcheck, out / "book")})
    if dead:
        sys.exit("links that lead nowhere:\n" + "\n".join(dead))
    print(f"{out / 'book'}: {len(list((out / 'book').glob('*.html')))} pages, no dead link")


if __name__ == "__main__":
    main(*sys.argv[1:])

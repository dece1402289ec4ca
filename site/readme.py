"""Has the links of README.md lead to the site: `python3 site/readme.py https://…`.

Package registries show the README without the files beside it. The release workflow calls this in its own checkout.
"""

import sys

from build import ROOT, linked, name_in_book


def main(site):
    def link(image, text, inside, place):
        name = name_in_book(inside)
        if not name:
            sys.exit(f"README.md: {inside} is not on the site")
        if name.endswith(".md"):
            name = name[: -len(".md")] + ".html"
        return f"{image}[{text}]({site.rstrip('/')}/{name}{place})"

    text = linked("README.md", link)
    (ROOT / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Looks at HTML reports as a reader does, in a headless browser, and prints what it saw as JSON.

Arguments: the browser, and a folder with everything.html, hostile.html and large.html; screenshots go there too.
"""

import json
import os
import sys
import time

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

# Every element with the names of its attributes: the form of a page, without its texts. What a drawing's
# size follows from its texts, but not which elements it is made of.
SKELETON = """() => [...document.querySelectorAll('*')].map(
    (element) => element.tagName + ' ' + element.getAttributeNames().sort().join(' '))"""
VISIBLE = """() => [...document.querySelectorAll('#findings > .finding')]
    .filter((one) => !one.hidden).map((one) => one.id)"""
PARTS = """(id) => ['.readings', '.fit', '.interval']
    .map((part) => document.querySelectorAll(id + ' ' + part).length)"""
ROWS = "[...document.querySelectorAll('#tests tbody tr')].filter((row) => row.offsetParent).length"
FILTERED = """(text) => { const input = document.getElementById('text'); input.value = text;
    const begun = performance.now(); const done = new Promise((resolve) => {
        new MutationObserver(() => resolve(performance.now() - begun)).observe(
            document.getElementById('shown'), {childList: true}); });
    input.dispatchEvent(new Event('input')); return done; }"""


class Reader:
    def __init__(self, browser, folder, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.folder = folder
        self.trouble = []
        self.page.on("console", lambda message: message.type == "error" and self.trouble.append(message.text))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.trouble.append("dialog " + dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: request.url.startswith("file:") or self.trouble.append(request.url))

    def open(self, name):
        begun = time.monotonic()
        self.page.goto("file://" + os.path.join(self.folder, name), wait_until="load", timeout=120_000)
        return time.monotonic() - begun

    def picture(self, name, full=True):
        self.page.screenshot(path=os.path.join(self.folder, name), full_page=full)


def until(page, expression, argument=None):
    """Waits; the browser's own way needs `eval`, which the page's policy forbids."""
    end = time.monotonic() + 20
    while not page.evaluate(expression, argument):
        if time.monotonic() > end:
            raise TimeoutError(expression)
        page.wait_for_timeout(20)


WIDE = {"width": 1200, "height": 900}
NARROW = {"width": 390, "height": 844}
#: By the picture's name: of which page, and how it is looked at. That of many runs has no script.
VIEWS = {
    "light": ("everything.html", {"viewport": WIDE, "color_scheme": "light"}),
    "dark": ("everything.html", {"viewport": WIDE, "color_scheme": "dark"}),
    "narrow": ("everything.html", {"viewport": NARROW, "color_scheme": "light"}),
    "print": ("everything.html", {"viewport": {"width": 900, "height": 900}, "color_scheme": "light"}),
    "history-light": ("history.html", {"viewport": WIDE, "color_scheme": "light"}),
    "history-dark": ("history.html", {"viewport": WIDE, "color_scheme": "dark"}),
    "history-narrow": ("history.html", {"viewport": NARROW, "color_scheme": "light"}),
}


def pictures(browser, folder):
    violations = {}
    trouble = []
    for name, (page, options) in VIEWS.items():
        reader = Reader(browser, folder, **options)
        reader.open(page)
        if name == "print":
            reader.page.emulate_media(media="print", forced_colors="none")
            reader.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        elif page == "everything.html":
            reader.page.locator("#f1 > summary").click()
        reader.picture(name + ".png", full=name != "print")
        wide = reader.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            trouble.append("%s: the page is %s px wider than the window" % (name, wide))
        # The rules look at what is open only.
        reader.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        found = Axe().run(reader.page).response["violations"]
        violations[name] = [
            "%s: %s" % (violation["id"], violation["nodes"][0]["html"][:200]) for violation in found
        ]
        trouble += reader.trouble
        reader.context.close()
    return violations, trouble


def use(browser, folder):
    """What a reader does, with the keyboard alone."""
    reader = Reader(browser, folder, viewport={"width": 1200, "height": 900})
    page = reader.page
    reader.open("everything.html")
    before = page.evaluate(VISIBLE)
    page.keyboard.press("Tab")
    skip = page.evaluate("document.activeElement.className")
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.id")
    page.keyboard.type("REGISTRY3 order")
    until(page, "() => document.getElementById('shown').textContent.startsWith('1 of')")
    after = page.evaluate(VISIBLE)
    said = page.locator("#shown").text_content()
    target = "#" + after[0]
    for _ in range(9):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.parentElement.id") == after[0]:
            break
    page.keyboard.press("Enter")
    until(page, "(id) => document.querySelector(id).open", target)
    chart = page.locator(target + " svg.chart").first
    box = chart.bounding_box()
    opened = {
        "chart": [box["width"], box["height"]],
        "name": chart.locator("title").text_content(),
        "parts": page.evaluate(PARTS, target),
        "chain": page.locator(target + " svg.chain rect").count(),
        "marked": page.locator(target + " tr.grows").count(),
    }
    page.locator("#text").fill("no such thing")
    until(page, "() => !document.getElementById('none').hidden")
    page.locator("#text").fill("")
    page.locator("#status").select_option("known")
    known = page.evaluate(VISIBLE)
    page.locator("#status").select_option("")
    page.locator("#verdict").select_option("crashed")
    rows = page.evaluate(ROWS)
    return {
        "before": len(before), "after": len(after), "said": said, "skip": skip, "focused": focused,
        "opened": opened, "known": len(known), "crashed": rows, "trouble": reader.trouble,
    }


def hostile(browser, folder):
    reader = Reader(browser, folder)
    reader.open("everything.html")
    calm = reader.page.evaluate(SKELETON)
    reader.open("hostile.html")
    found = reader.page.evaluate(SKELETON)
    first = next((pair for pair in zip(calm, found) if pair[0] != pair[1]), None)
    return {
        "same": calm == found, "first": first, "lengths": [len(calm), len(found)],
        "title": reader.page.title(), "trouble": reader.trouble,
    }


def large(browser, folder):
    reader = Reader(browser, folder, viewport={"width": 1200, "height": 900})
    load = reader.open("large.html")
    page = reader.page
    first = page.evaluate(FILTERED, "registry77")
    second = page.evaluate(FILTERED, "registry7")
    page.evaluate(FILTERED, "")
    begun = time.monotonic()
    page.evaluate("document.getElementById('tests').open = true; document.body.offsetHeight")
    rows = time.monotonic() - begun
    at_once = page.evaluate(ROWS)
    page.locator("#more").click()
    in_all = page.evaluate(ROWS)
    page.evaluate("document.getElementById('tests').open = false")
    begun = time.monotonic()
    page.locator("#f250 > summary").click()
    opened = time.monotonic() - begun
    return {
        "bytes": os.path.getsize(os.path.join(folder, "large.html")),
        "load_seconds": round(load, 3), "filter_first_ms": round(first), "filter_ms": round(second),
        "tests_seconds": round(rows, 3), "open_seconds": round(opened, 3),
        "rows": [at_once, in_all], "elements": page.evaluate("document.querySelectorAll('*').length"),
        "trouble": reader.trouble,
    }


def main(executable, folder):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        violations, trouble = pictures(browser, folder)
        result = {
            "version": browser.version, "violations": violations, "trouble": trouble,
            "use": use(browser, folder), "hostile": hostile(browser, folder), "large": large(browser, folder),
        }
        browser.close()
    json.dump(result, sys.stdout)


main(*sys.argv[1:])

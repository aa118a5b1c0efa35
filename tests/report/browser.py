"""Chromium for the tests of pages: offline, and everything that a page asks for or complains of is kept."""

import os
import shutil
from contextlib import contextmanager
from time import monotonic

import pytest
from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable():
    """Return the path of Chromium; without one the tests are skipped, but in CI they fail."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and os.environ.get("CI"):
        pytest.fail("Chromium is not installed: apt-get install chromium")
    if found is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    return found


@contextmanager
def started():
    """Give a running Chromium."""
    path = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def until(page, condition, seconds=20):
    """Wait until an expression is true; the page's own policy forbids Playwright's way of waiting for one."""
    end = monotonic() + seconds
    while not page.evaluate(condition):
        assert monotonic() < end, condition
        page.wait_for_timeout(20)


@contextmanager
def opened(browser, path, **options):
    """Open a page in a new window; at the end nothing was logged, thrown or requested but the file."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "offline": True, **options})
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    until(page, "!document.getElementById('canvas') || !!window.explorer && !!explorer.map.pixels")
    yield page
    context.close()
    assert said == [], said
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]

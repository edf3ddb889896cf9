"""A real browser without a window: Debian's Chromium, driven by Debian's driver of the same version."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from waiting import NotYet, wait_for

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
SECONDS = 60
STATUSES = """
const told = arguments[arguments.length - 1];
const ask = url => fetch(url).then(answer => [url, answer.status]);
Promise.all(arguments[0].map(ask)).then(told, error => told([[String(error), 0]]));
"""


class Browser:
    """A page, and what a person does with it."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self.url = url.rstrip("/")

    def open(self, path: str) -> None:
        """Go to a path of the site."""
        self.driver.get(self.url + path)

    def found(self, path: str) -> list[WebElement]:
        """Return what is shown of an XPath now."""
        with contextlib.suppress(StaleElementReferenceException):
            return [each for each in self.driver.find_elements(By.XPATH, path) if each.is_displayed()]
        return []

    def see(self, path: str, seconds: float = SECONDS) -> WebElement:
        """Wait until an XPath is shown."""

        def look() -> WebElement:
            if shown := self.found(path):
                return shown[0]
            raise NotYet(f"{self.driver.current_url}: {self.text()[:2000]}")

        return wait_for(f"{path} to be shown", look, seconds, pause=0.2)

    def click(self, path: str) -> None:
        """Click what an XPath names, when nothing is in front of it any more."""

        def attempt() -> None:
            try:
                self.see(path).click()
            except WebDriverException as error:
                raise NotYet(str(error.msg)) from error

        wait_for(f"{path} to take a click", attempt, SECONDS, pause=0.2)

    def write(self, path: str, text: str) -> None:
        """Write into a field."""
        field = self.see(path)
        field.clear()
        field.send_keys(text)

    def text(self) -> str:
        """Return what a person reads."""
        with contextlib.suppress(WebDriverException):
            return self.driver.find_element(By.TAG_NAME, "body").text
        return ""

    def statuses(self, paths: list[str]) -> dict[str, int]:
        """Return the status with which each path answers whom the browser is signed in as."""
        told: list[Any] = self.driver.execute_async_script(STATUSES, paths)
        return dict(told)

    def picture(self, file: Path) -> None:
        """Keep what the window shows."""
        file.write_bytes(self.driver.get_screenshot_as_png())


@contextlib.contextmanager
def browser(url: str) -> Iterator[Browser]:
    """Start a browser; it ends with the block."""
    options = Options()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(argument)
    with webdriver.Chrome(options=options, service=Service(DRIVER)) as driver:
        driver.set_page_load_timeout(SECONDS)
        driver.set_script_timeout(SECONDS)
        yield Browser(driver, url)

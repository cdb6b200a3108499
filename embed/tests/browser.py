"""A real Chromium without a screen, driven by ChromeDriver (W3C WebDriver)."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import warnings
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest
from live_server import wait_until

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT = 1000, 640
# Without these, Chromium asks its maker's hosts again and again, here in vain.
FLAGS = (
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--disable-dev-shm-usage", f"--window-size={WIDTH},{HEIGHT}"),
)
START_TIMEOUT_S = 60.0
STARTS_MAX = 10
PORT = re.compile(r"started successfully on port (\d+)")
# What a page that is not ready answers to an action.
NOT_YET = {"element not interactable", "element click intercepted"}


class WebDriverError(Exception):
    """A command has failed."""

    def __init__(self, kind: str, message: str) -> None:
        """Keep what WebDriver calls it."""
        super().__init__(kind, message)
        self.kind = kind


class Browser:
    """One Chromium with a profile that is thrown away."""

    def __init__(self, folder: Path) -> None:
        """Start it; skips the test, loudly, where there is none."""
        driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
        if not (driver and chromium):
            reason = "there is no Chromium: apt-get install chromium chromium-driver"
            warnings.warn(f"the pages are NOT TESTED in a browser: {reason}", stacklevel=1)
            pytest.skip(reason)
        self._log = folder / "chromedriver.log"
        self._session = ""
        port = self._start(driver, folder)
        try:
            self._client = httpx.Client(
                base_url=f"http://127.0.0.1:{port}", timeout=START_TIMEOUT_S, trust_env=False
            )
            # Chromium has a sandbox of its own, which root cannot have.
            flags = [*FLAGS, f"--user-data-dir={folder / 'profile'}"]
            flags += ["--no-sandbox"] if os.geteuid() == 0 else []
            options = {"binary": chromium, "args": flags}
            wanted = {"browserName": "chrome", "goog:chromeOptions": options}
            made = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
            self._session = f"/session/{made['sessionId']}"
        except BaseException:
            self.close()
            raise

    def _start(self, driver: str, folder: Path) -> str:
        """Start ChromeDriver, and say where it listens."""
        # Chromium keeps more of its own than the profile in the home folder.
        environment = {**os.environ, "HOME": str(folder)}
        for _ in range(STARTS_MAX):
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [driver, "--port=0"],
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    env=environment,
                )
            try:
                wait_until(self._has_started, START_TIMEOUT_S, "ChromeDriver's port")
            except BaseException:
                self.close()
                raise
            if found := PORT.search(self._log.read_text()):
                return found[1]
            # The port that it had chosen over IPv6 was taken over IPv4.
        raise AssertionError(self._log.read_text())

    def _has_started(self) -> bool:
        return PORT.search(self._log.read_text()) is not None or self._process.poll() is not None

    def _call(self, method: str, path: str, body: object = None) -> Any:
        content = body if method == "POST" else None
        answer = self._client.request(method, self._session + path, json=content)
        value = answer.json()["value"]
        if answer.status_code != 200:
            raise WebDriverError(value["error"], value["message"])
        return value

    def open(self, url: str) -> Page:
        """A window of its own that shows ``url``."""
        window = self._call("POST", "/window/new", {"type": "window"})["handle"]
        page = Page(self, window)
        page.call("POST", "/window/rect", {"width": WIDTH, "height": HEIGHT})
        page.call("POST", "/url", {"url": url})
        return page

    def call_in(self, window: str, method: str, path: str, body: object = None) -> Any:
        """Give a command to a window."""
        self._call("POST", "/window", {"handle": window})
        return self._call(method, path, body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        try:
            if self._session:
                self._call("DELETE", "")
        finally:
            self._process.terminate()
            self._process.wait(10)


class Page:
    """One window."""

    def __init__(self, browser: Browser, window: str) -> None:
        self._browser = browser
        self._window = window

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Give it a command of WebDriver."""
        return self._browser.call_in(self._window, method, path, body)

    def run(self, script: str) -> Any:
        """What an expression in JavaScript is in it."""
        return self.call("POST", "/execute/sync", {"script": f"return {script}", "args": []})

    def wait(self, script: str, timeout_s: float = 15.0) -> Any:
        """Wait until an expression in JavaScript is true."""
        return wait_until(lambda: self.run(script), timeout_s, script)

    def text(self, selector: str) -> str:
        """The text of the first element that fits."""
        return str(self.run(f"document.querySelector({selector!r}).textContent"))

    def count(self, selector: str) -> int:
        """The number that an element shows."""
        return int(self.text(selector))

    def _element(self, selector: str) -> str:
        # A new window may take a moment to lay out its page.
        seen = f"document.querySelector({selector!r})?.getClientRects().length"
        self.wait(f"{seen} && innerWidth > 0")
        found = self.call("POST", "/element", {"using": "css selector", "value": selector})
        return f"/element/{next(iter(found.values()))}"

    def _act(self, path: str, body: object) -> None:
        def done() -> bool:
            try:
                self.call("POST", path, body)
            except WebDriverError as error:
                if error.kind in NOT_YET:
                    return False
                raise
            return True

        wait_until(done, what=path)

    def click(self, selector: str) -> None:
        """Click as a person does."""
        self._act(f"{self._element(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        """Replace what is in a field; a line break at the end submits its form."""
        element = self._element(selector)
        self._act(f"{element}/clear", {})
        self._act(f"{element}/value", {"text": text})

    def resize(self, width: int, height: int) -> None:
        """Give what is shown that size, in pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str) -> None:
        """Prefer ``light`` or ``dark``."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._devtools("Emulation.setEmulatedMedia", {"features": [feature]})

    def _devtools(self, command: str, params: object) -> None:
        self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def screenshot(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode(self.call("GET", "/screenshot"))

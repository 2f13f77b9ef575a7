"""A headless Chromium, driven through chromedriver: real pages, their errors and their requests.

Debian and Ubuntu: `apt-get install chromium chromium-driver`. The protocol is W3C WebDriver over
HTTP on loopback; nothing else is needed.
"""

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
)
_OWN = ("data:", "blob:", "chrome:", "chrome-untrusted:", "about:")


def missing():
    """Why there is no browser to test with; an empty text if there is one."""
    names = {"chromium": ("chromium", "chromium-browser", "google-chrome"), "chromedriver": ()}
    absent = [name for name, others in names.items() if not any(map(shutil.which, (name, *others)))]
    return f"{' and '.join(absent)} not found" if absent else ""


class Browser:
    """One window. `errors` and `requests` are those since the last call of either."""

    def __init__(self, address, session):
        self._base = f"{address}/session/{session}"

    def _call(self, path, body=None):
        return _request(f"{self._base}/{path}", body)

    def open(self, path):
        self._call("url", {"url": Path(path).resolve().as_uri()})

    def run(self, script, *arguments):
        """The value of the JavaScript."""
        return self._call("execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script, seconds=30):
        """Until the JavaScript is true."""
        for _ in range(seconds * 10):
            if self.run(script):
                return
            time.sleep(0.1)  # for a browser, which no signal tells us of
        raise AssertionError(f"not true after {seconds} s: {script}")

    def command(self, name, **parameters):
        """Of the DevTools protocol."""
        return self._call("goog/cdp/execute", {"cmd": name, "params": parameters})

    def size(self, width, height, dark=False):
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path, whole=True):
        shot = self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(shot["data"]))

    def errors(self):
        """Messages of the console that are errors, of refused content too."""
        entries = self._call("se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def requests(self):
        """Addresses that the page asked for, but those of itself."""
        entries = self._call("se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        urls = [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in urls if not url.startswith(_OWN)]


def _request(url, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            request, timeout=120
        ) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read().decode()[:2000]) from error


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def browser(profile):
    """A window with a profile of its own, in the folder `profile`."""
    address = f"http://127.0.0.1:{(port := _free_port())}"
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
    )
    session = None
    try:
        for _ in range(300):
            with contextlib.suppress(OSError, AssertionError):
                if _request(f"{address}/status")["ready"]:
                    break
            time.sleep(0.1)
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        body = {"capabilities": {"alwaysMatch": wanted}}
        session = _request(f"{address}/session", body)["sessionId"]
        yield Browser(address, session)
    finally:
        if session is not None:
            with contextlib.suppress(OSError, AssertionError):
                _request(f"{address}/session/{session}", method="DELETE")
        driver.terminate()
        driver.wait(timeout=30)

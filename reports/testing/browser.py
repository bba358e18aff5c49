# SPDX-License-Identifier: GPL-2.0-only
"""A real browser for the tests: Debian's Chromium, headless, driven by its DevTools protocol."""

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.request

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
           "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
           "--disable-extensions", "--mute-audio", "--remote-debugging-port=0", "--remote-allow-origins=*")
DEADLINE = 60  # seconds, for a start and for each answer


class Browser:
    """One page of a browser of its own. Use as a context manager."""

    def __init__(self, profile):
        import websocket  # here: whoever has no browser needs none of it
        self.profile = str(profile)
        self.process = subprocess.Popen([CHROMIUM, *OPTIONS, f"--user-data-dir={self.profile}", "about:blank"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = self._port()
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=DEADLINE) as answer:
                page = next(target for target in json.load(answer) if target["type"] == "page")
            self.socket = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=DEADLINE,
                                                      suppress_origin=True)
        except BaseException:
            self.process.kill()
            raise
        self.count, self.events = 0, []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _port(self):
        path, end = os.path.join(self.profile, "DevToolsActivePort"), time.monotonic() + DEADLINE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with open(path, encoding="ascii") as file:
                    lines = file.read().split("\n")
                if len(lines) > 1:
                    return int(lines[0])
            except OSError:
                pass
            time.sleep(0.05)
        raise RuntimeError("chromium did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def call(self, method, **parameters):
        """One command of the protocol; returns its result. Events that come meanwhile are kept in `events`."""
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.count:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]
            self.events.append(message)

    def show(self, url, width=1024, height=800, dark=False, scripts=True):
        """Load a page and wait for it."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme",
                                                           "value": "dark" if dark else "light"}])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.events.clear()
        self.call("Page.navigate", url=url)
        end = time.monotonic() + DEADLINE
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            if time.monotonic() > end:
                raise RuntimeError("the page did not load")
            self.events.append(json.loads(self.socket.recv()))

    def value(self, expression):
        """What a JavaScript expression evaluates to."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", "exception"))
        return answer["result"].get("value")

    def complaints(self):
        """Everything the console has said of the page, and every request it made but for itself."""
        self.value("0")  # what is under way arrives before the answer
        found = []
        for event in self.events:
            parameters = event["params"]
            if event["method"] == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                found.append(parameters["entry"]["text"])
            elif event["method"] == "Runtime.exceptionThrown":
                found.append(parameters["exceptionDetails"].get("text", "exception"))
            elif event["method"] == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
                found.append(str(parameters["args"]))
            elif event["method"] == "Network.requestWillBeSent" and parameters.get("type") != "Document":
                found.append(f"asks for {parameters['request']['url'][:100]}")
        return found

    def press(self, key, code=None):
        """One key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code or key,
                      windowsVirtualKeyCode={"Tab": 9, "Enter": 13, " ": 32, "Escape": 27}.get(key, 0))

    def picture(self, path, whole=True):
        """A screenshot as PNG."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(data["data"]))

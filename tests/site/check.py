"""Every page of a site in headless Chromium: check.py CHROMIUM SITE [FOLDER FOR SCREENSHOTS].

Each page is opened from its file, narrow and wide, light and dark. It must open without an error, ask for nothing that
is not a file of the site, load every picture and show it whole, not scroll sideways, name its tab stops, and have text
that stands out from its ground as WCAG's level AA wants. Every link must lead to a page of the site, and to something on
it. Speaks to the browser through its debugging pipe, so that nothing but Python's own library is needed.
"""

import base64
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

WIDTHS = (400, 1400)
SCHEMES = ("light", "dark")
# where links may lead beside the site's own pages
ELSEWHERE = ("https://arxiv.org/abs/",)
PICTURED = ("index.html", "sim-to-real.html", "rest/losses.html", "vanishing_gradients/theorem1.html")

LINKS = """(() => ({
  scripts: document.scripts.length,
  language: document.documentElement.lang,
  title: document.title,
  heads: document.querySelectorAll('h1').length,
  skip: (document.querySelector('a') || {}).hash,
  ids: [...document.querySelectorAll('[id]')].map(e => e.id),
  links: [...document.querySelectorAll('a[href], link[href], img[src]')].map(e => e.href || e.src),
  nameless: [...document.querySelectorAll('[tabindex]')]
    .filter(e => !e.getAttribute('role') || !e.getAttribute('aria-label')).map(e => e.className || e.tagName),
  pictures: [...document.images].filter(i => !i.complete || i.naturalWidth === 0 || !i.alt).map(i => i.src),
}))()"""

LOOKS = """(() => {
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const faint = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || seen.has(e)) continue;
    seen.add(e);
    const a = light(parse(getComputedStyle(e).color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.add(`${e.tagName} "${e.textContent.slice(0, 30)}" ${ratio.toFixed(2)}`);
  }
  const squeezed = [...document.querySelectorAll('p, li, td, th, dd, a, small, h1, h2')]
    .filter(e => e.textContent.trim().length > 20 && e.getClientRects().length > 12 ||
      e.clientWidth > 0 && e.clientWidth < 48 && e.clientHeight > 160)
    .map(e => `${e.tagName} "${e.textContent.slice(0, 30)}"`);
  const cut = [...document.querySelectorAll('figure img')]
    .filter(i => i.getBoundingClientRect().right > window.innerWidth || i.width > i.parentElement.clientWidth)
    .map(i => i.src.split('/').pop());
  return {
    cut,
    squeezed: squeezed.slice(0, 3),
    inner: window.innerWidth,
    scroll: document.documentElement.scrollWidth,
    height: document.documentElement.scrollHeight,
    ground: parse(getComputedStyle(document.body).backgroundColor),
    faint: [...faint].slice(0, 3),
  };
})()"""


class Browser:
    """Chromium at the other end of a pipe; messages are JSON, each with a zero byte behind it."""

    def __init__(self, chromium, profile):
        commands, self.commands = os.pipe()
        self.answers, answers = os.pipe()
        # out of the way of the numbers that Chromium wants
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (commands, answers)]

        def hand_over():
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        options = ["--headless", "--remote-debugging-pipe", "--disable-gpu", "--disable-quic", "--no-first-run"]
        options += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"]
        options += ["--disable-dev-shm-usage", f"--user-data-dir={profile}"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")
        self.process = subprocess.Popen(
            [chromium, *options, "about:blank"], close_fds=False, preexec_fn=hand_over, stderr=subprocess.DEVNULL
        )
        for end in (commands, answers, *ends):
            os.close(end)
        self.count, self.rest, self.session, self.events = 0, b"", None, []

    def read(self):
        while b"\0" not in self.rest:
            piece = os.read(self.answers, 1 << 16)
            if not piece:
                sys.exit("Chromium ended before the check did")
            self.rest += piece
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.count:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        while True:
            for i, event in enumerate(self.events):
                if event.get("method") == method:
                    return self.events.pop(i)
            self.events.append(self.read())

    def value(self, expression):
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            sys.exit(f"the check's own script failed: {result['exceptionDetails']}")
        return result["result"]["value"]

    def open_tab(self):
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def show(self, width, scheme):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


def complaints(events):
    """What went wrong while a page loaded."""
    for event in events:
        params = event.get("params", {})
        match event.get("method"):
            case "Runtime.exceptionThrown":
                yield f"exception: {params['exceptionDetails'].get('text')}"
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                yield f"{params['entry']['level']}: {params['entry']['text']} {params['entry'].get('url', '')}"
            case "Network.loadingFailed":
                yield f"a request failed: {params.get('errorText')}"
            case "Network.requestWillBeSent":
                url = params["request"]["url"]
                if not url.startswith(("file:", "data:")):
                    yield f"asks for {url}"


def check_page(browser, site, path, shots):
    """Complaints about one page, its ids, and its links."""
    found = []
    browser.events.clear()
    browser.show(WIDTHS[0], SCHEMES[0])
    browser.ask("Page.navigate", url=(site / path).as_uri())
    browser.wait_for("Page.loadEventFired")
    page = browser.value(LINKS)
    found += [f"a picture that is not there, or has no alternative text: {url}" for url in page["pictures"]]
    found += [f"a tab stop without a name: {name}" for name in page["nameless"]]
    for what, is_right in [
        ("a language", page["language"] == "en"),
        ("a title", page["title"]),
        ("one first heading", page["heads"] == 1),
        ("a skip link at its start", page["skip"] == "#content"),
        ("no script", page["scripts"] == 0),
    ]:
        if not is_right:
            found.append(f"must have {what}")
    for width in WIDTHS:
        for scheme in SCHEMES:
            browser.show(width, scheme)
            looks = browser.value(LOOKS)
            if looks["scroll"] > looks["inner"] or looks["inner"] != width:
                found.append(f"{looks['scroll']} px wide in a window of {looks['inner']} px ({width} asked for)")
            if (sum(looks["ground"][:3]) < 384) != (scheme == "dark"):
                found.append(f"its ground in the {scheme} is {looks['ground']}")
            found += [f"cut at {width} px: {name}" for name in looks["cut"]]
            found += [f"squeezed at {width} px: {text}" for text in looks["squeezed"]]
            found += [f"faint in the {scheme}: {text}" for text in looks["faint"]]
            if shots and path in PICTURED:
                clip = {"x": 0, "y": 0, "width": width, "height": min(looks["height"], 5200), "scale": 1}
                data = browser.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
                name = f"{path.removesuffix('.html').replace('/', '-')}-{width}-{scheme}.png"
                (shots / name).write_bytes(base64.b64decode(data))
    found += complaints(browser.events)
    return found, set(page["ids"]), page["links"]


def broken(site, pages, path):
    """Links of a page that lead nowhere."""
    root = site.as_uri() + "/"
    for link in pages[path][2]:
        url, _, fragment = link.partition("#")
        if url.startswith(root):
            target = urllib.parse.unquote(url.removeprefix(root))
            if not (site / target).is_file():
                yield f"leads to {target}, which is not there"
            elif fragment and urllib.parse.unquote(fragment) not in pages.get(target, (0, set()))[1]:
                yield f"leads to {target}#{fragment}, which has no such place"
        elif not url.startswith((*ELSEWHERE, "data:")):
            yield f"leads out of the site: {link}"


def main():
    chromium, site = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    shots = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
    if shots:
        shots.mkdir(parents=True, exist_ok=True)
    paths = sorted(str(p.relative_to(site)) for p in site.rglob("*.html"))
    if not paths:
        sys.exit(f"{site}: no pages")
    profile = tempfile.mkdtemp()
    browser = Browser(chromium, profile)
    try:
        browser.open_tab()
        pages = {path: check_page(browser, site, path, shots) for path in paths}
        browser.session = None
        browser.ask("Browser.close")
    finally:
        browser.process.kill()
        browser.process.wait()
        shutil.rmtree(profile, ignore_errors=True)
    wrong = [f"{path}: {what}" for path in paths for what in (*pages[path][0], *broken(site, pages, path))]
    links = sum(len(page[2]) for page in pages.values())
    if wrong:
        print("\n".join([*wrong[:100], f"{len(wrong)} complaints"]))
    else:
        print(f"{len(paths)} pages, {links} links and pictures, {WIDTHS} px, {SCHEMES}: nothing wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

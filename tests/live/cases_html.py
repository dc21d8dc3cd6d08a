# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-or-later
"""The page of --html in a real Chromium: clicked, searched, photographed, and read as a screen reader would."""
import glob
import json
import os
import subprocess
import time
from contextlib import contextmanager

import browser
from harness import ROOT, command_of
from solo import live

GOLDEN = os.path.join(ROOT, "tests", "golden")
HOUR = os.path.join(ROOT, "build", "live", "hour")
SIZE_MOST, SECONDS_MOST = 2_000_000, 1.0
TEXT = "document.getElementById({!r}).textContent"


def without():
    return None if browser.chromium() else "a Chromium that is no snap"


@contextmanager
def opened(bench, path, **more):
    page = browser.Browser(bench.file("profile"), **more)
    try:
        page.open(path)
        yield page
    finally:
        page.close()


def page_of(bench, recording, name):
    """Writes the page of a recording, and returns its path."""
    path = bench.file(f"{name}.html")
    look = bench.dbleak.run("report", recording, "--html", path)
    bench.check(look.status in (0, 1), f"status {look.status}: {look.err[-300:]}")
    bench.private(path)
    return path


def quiet(bench, page, path):
    """Nothing went wrong in the page, and nothing left it."""
    bench.check(not page.errors, f"{os.path.basename(path)}: {page.errors[:3]}")
    bench.check(page.requests == [f"file://{path}"], f"{os.path.basename(path)} asked for {page.requests[:3]}")


def text(page, element):
    return page.run(TEXT.format(element))


def says(bench, page, element, *words):
    said = text(page, element)
    for word in words:
        bench.check(word in said, f"{element} does not say {word!r}: {said[:200]!r}")


def is_painted(page, selector):
    """How many colours the canvas has."""
    return page.run(f"(c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size)"
                    f"(document.querySelector({json.dumps(selector)}))")


def accused_sql(recording):
    """What the findings are about of the process that the page shows first: the only one, or the worst."""
    with open(recording.replace(".dbleak", ".json"), encoding="utf-8") as file:
        report = json.load(file)
    guilty = {finding["pid"] for finding in report["findings"]}
    return [finding["sql"] for finding in report["findings"] if finding["sql"]] if len(guilty) == 1 else []


@live("HTML: a page of each recording opens in Chromium without an error or a request", needs=(), group="html", without=without)
def each_golden(bench):
    for recording in sorted(glob.glob(os.path.join(GOLDEN, "*.dbleak"))):
        name = os.path.basename(recording).removesuffix(".dbleak")
        path = page_of(bench, recording, name)
        with open(recording.replace(".dbleak", ".text"), encoding="utf-8") as file:
            words = file.read().split()[:6]
        with opened(bench, path) as page:
            quiet(bench, page, path)
            answer = page.run("document.querySelector('header').textContent")
            bench.check(" ".join(words) in " ".join(answer.split()), f"{name}: {words} is not in {answer[:200]!r}")
            bench.check(page.run("document.documentElement.dataset.drawn") is not None, f"{name} was not drawn")
            bench.check(is_painted(page, "#timeline") > 3, f"the timeline of {name} is empty")
            for sql in accused_sql(recording):
                says(bench, page, "sql", sql)


def two_lines(bench):
    return page_of(bench, os.path.join(GOLDEN, "two-lines.dbleak"), "two-lines")


@live("HTML: the page's sliders, timeline and tables answer to keys alone", needs=(), group="html", without=without)
def keys(bench):
    path = two_lines(bench)
    with opened(bench, path) as page:
        says(bench, page, "window-said", "19 connections were opened between 0.0 s and 12 s", "at 3 lines")
        page.run("document.getElementById('to').focus()")
        page.press("ArrowLeft", 500)
        says(bench, page, "window-said", "10 connections were opened between 0.0 s and 6.1 s and not closed by then, at 2 lines")
        page.run("document.getElementById('from').focus()")
        page.press("ArrowRight", 300)
        says(bench, page, "window-said", "5 connections were opened between 3.6 s and 6.1 s")
        page.press("End")
        says(bench, page, "window-said", "0 connections were opened between 12 s and 12 s")
        page.run("document.getElementById('rows').focus()")
        page.press("ArrowDown", 2)
        says(bench, page, "life", "Connection 2 of 19", "opened at 1.2 s at /srv/orders/app.py:16 monthly()", "never closed")
        page.press("Enter")
        says(bench, page, "stack", "/srv/orders/app.py:16 monthly()", "Session.execute()")
        page.press("End")
        says(bench, page, "life", "Connection 19 of 19", "/srv/orders/app.py:24 daily()")
        page.run("document.querySelector('#lives-details summary').focus()")
        page.press("Enter")
        bench.check(page.run("document.querySelectorAll('#lives tbody tr').length") == 19, "the table has not all connections")
        quiet(bench, page, path)


@live("HTML: a click on a finding leads to its connections, and one on a line keeps only those", needs=(), group="html", without=without)
def clicks(bench):
    path = page_of(bench, os.path.join(GOLDEN, "memory.dbleak"), "memory")
    with opened(bench, path) as page:
        page.click("a[href='#p1']")
        bench.check(page.run("location.hash") == "#p1", "the row does not lead to its finding")
        page.click("#p1 .more button")
        bench.check("feed[812]" in page.run("document.getElementById('process').selectedOptions[0].textContent"), "another process is shown")
        bench.check(page.run("document.activeElement.id") == "connections", "the timeline has not the focus")
        page.click("#p0 .more button")
        says(bench, page, "memory-said", "Limit of docker web1: 537 MB", "Predicted: ")
        bench.check(page.run("document.querySelectorAll('#memory .limit, #memory .cone').length") == 2, "no limit or no prediction is drawn")
    path = two_lines(bench)
    with opened(bench, path) as page:
        page.click("#sites button")
        page.run("document.getElementById('rows').focus()")
        page.press("End")
        says(bench, page, "life", "Connection 12 of 12", "app.py:16")
        page.click("#unfilter")
        page.press("End")
        says(bench, page, "life", "Connection 19 of 19")
        page.click("#timeline")
        bench.check(page.run("document.getElementById('stack').hidden") is False, "a click shows no call stack")
        quiet(bench, page, path)


@live("HTML: the page's icicle is searched, zoomed into and left again", needs=(), group="html", without=without)
def icicle(bench):
    path = two_lines(bench)
    with opened(bench, path) as page:
        says(bench, page, "found", "18 transactions held")
        page.run("document.getElementById('search').focus()")
        page.type("app.py:16")
        says(bench, page, "found", "12 of 18 transactions (67 %) in 1 box")
        bench.check(page.run("document.querySelectorAll('#icicle .found').length") == 1, "not one box is marked")
        page.run("document.querySelector('#icicle .found').focus()")
        page.press("Enter")
        bench.check("app.py:16" in page.run("document.activeElement.textContent"), "the focus is not in the box zoomed into")
        bench.check(page.run("document.querySelector('#icicle .found').style.width") == "100%", "Enter does not zoom in")
        bench.check(not page.run("document.getElementById('back').disabled"), "there is no way back")
        page.press("ArrowDown")
        bench.check("session.py" in page.run("document.activeElement.textContent"), "an arrow does not go to the call below")
        page.press("Escape", 5)
        bench.check(page.run("document.getElementById('back').disabled"), "Escape does not zoom out")
        page.click("#icicle .found")
        page.click("#back")
        quiet(bench, page, path)


@live("HTML: a page read aloud has the headline, the guilty line and the names of its controls", needs=(), group="html", without=without)
def aloud(bench):
    path = two_lines(bench)
    with opened(bench, path) as page:
        tree = page.tree()
        names = " | ".join(name for _, name in tree)
        for words in ("1 process leaks connections", "/srv/orders/app.py:16 monthly()  12 leaked", "close every connection"):
            bench.check(words in names, f"{words!r} is not read")
        for role, name in (("heading", "python3[4287] app.py, on the host"), ("slider", "Window from"), ("slider", "Window to"),
                           ("combobox", "Process"), ("searchbox", "Search"), ("button", "Use dark colours"),
                           ("application", "Timeline of connections"), ("tree", "Call stacks of what is held, the outermost call on top")):
            bench.check((role, name) in tree, f"there is no {role} {name!r}")
        bench.check(any(role == "treeitem" and name.startswith("/srv/orders/app.py:16 monthly(): 12 of 18 (67 %)")
                        for role, name in tree), "no box of the icicle says its share")
        nameless = [role for role, name in tree if role in ("button", "slider", "combobox", "searchbox", "link") and not name]
        bench.check(not nameless, f"without a name: {nameless}")
        page("Emulation.setScriptExecutionDisabled", value=True)
        page.open(path, drawn=False)
        names = " | ".join(name for _, name in page.tree())
        for words in ("1 process leaks connections", "/srv/orders/app.py:16 monthly()", "No script:"):
            bench.check(words in names, f"without a script {words!r} is not there")


# The contrast of each text with what is behind it, as WCAG 2 counts it, at least 4.5.
FAINT = """(() => {
const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
const parts = text => text.match(/[\\d.]+/g).map(Number);
const behind = e => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
const faint = [];
for (const e of document.querySelectorAll("body *")) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.getClientRects().length || e.closest(":disabled, script, svg, .unseen")) continue;
    const style = getComputedStyle(e);
    if (+style.opacity < 1) continue;
    const [a, b] = [light(parts(style.color).slice(0, 3)), light(behind(e).slice(0, 3))];
    const contrast = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (contrast < 4.5) faint.push(`${e.tagName}.${e.className} ${contrast.toFixed(1)}: ${e.textContent.slice(0, 30)}`);
}
return faint; })()"""


@live("HTML: a page is legible in light and in dark, as the system or its reader wants", needs=(), group="html", without=without)
def light_and_dark(bench):
    path, papers, photos = two_lines(bench), {}, {}
    with opened(bench, path) as page:
        for scheme in ("light", "dark"):
            page.colours(scheme)
            papers[scheme] = page.run("getComputedStyle(document.body).backgroundColor")
            photos[scheme] = bench.file(f"{scheme}.png")
            page.photograph(photos[scheme])
            bench.check(os.path.getsize(photos[scheme]) > 50_000, f"the photograph in {scheme} is empty")
            faint = page.run(FAINT)
            bench.check(not faint, f"hard to read in {scheme}: {faint[:4]}")
        bench.check(papers["light"] != papers["dark"], f"light and dark have one paper: {papers}")
        page.click("#theme")
        bench.check(page.run("getComputedStyle(document.body).backgroundColor") == papers["light"], "the switch does not go to light")
        page("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=2, mobile=True)
        page.frame()
        wide = page.run("document.documentElement.scrollWidth")
        bench.check(wide <= 390, f"on a telephone the page is {wide} wide")
        quiet(bench, page, path)


@live("HTML: an hour with 10,000 connections is a page of 2 MB, written and drawn in a second each", needs=(), group="html", without=without)
def an_hour(bench):
    recording = bench.file("hour")
    subprocess.run([HOUR, recording], check=True, timeout=60)
    written, drawn = [], []
    for _ in range(3):  # other tests may run beside
        start = time.monotonic()
        path = page_of(bench, recording, "hour")
        written.append(time.monotonic() - start)
        with opened(bench, path) as page:
            drawn.append(page.run("+document.documentElement.dataset.drawn") / 1000)
            quiet(bench, page, path)
    bench.shown.update(bytes=os.path.getsize(path), written=min(written), drawn=min(drawn))
    bench.check(os.path.getsize(path) <= SIZE_MOST, f"the page has {os.path.getsize(path)} bytes")
    bench.check(min(written) <= SECONDS_MOST, f"written in {min(written):.2f} s")
    bench.check(min(drawn) <= SECONDS_MOST, f"drawn in {min(drawn):.2f} s")
    with opened(bench, path) as page:
        page.run("(s => (s.value = '-1', s.dispatchEvent(new Event('change'))))(document.getElementById('process'))")
        page.frame()
        page.run("document.getElementById('rows').focus()")
        page.press("End")
        says(bench, page, "life", "Connection 10,000 of 10,000")
        bench.check(is_painted(page, "#timeline") > 3, "the end of the timeline is empty")
        redrawn = page.run("(start => { for (let n = 0; n < 10; n++) document.getElementById('to').dispatchEvent(new Event('input'));"
                           " return (performance.now() - start) / 10; })(performance.now())")
        bench.check(redrawn < 250, f"a slider takes {redrawn:.0f} ms")
        quiet(bench, page, path)


@live("HTML: a watch and a run write a page beside their report, hostile names and all", group="html", without=without)
def live_pages(bench):
    hostile = "\u05d0\u202e</script><script>document.title='owned'</script><img src=x>" + "e\u0301" * 3000
    clients = [bench.client("hostile.py", "names"), bench.client("hostile.py", "long", hostile)]
    watched, ran = bench.file("watch.html"), bench.file("run.html")
    look = bench.dbleak.run("watch", "-p", ",".join(str(client.pid) for client in clients), "--duration", 8, "--html", watched,
                            "--show-arguments")
    bench.check(look.status in (0, 1), f"status {look.status}: {look.err[-300:]}")
    look = bench.dbleak.run("run", "--html", ran, "--", *command_of(("lost_slots.py", "session", "return", "6", "9")), env=bench.endpoint())
    bench.check(look.status == 1 and "SEEN" not in look.out.decode()[:20], f"status {look.status}: {look.out[:200]}")
    for path in (watched, ran):
        bench.private(path)
        with opened(bench, path) as page:
            quiet(bench, page, path)
            bench.check(page.run("document.title").startswith("dbleak"), "a name took over the page")
            bench.check(page.run("document.querySelectorAll('img, script').length") == 2, "a name became an element")
            bench.check(page.run("document.documentElement.dataset.drawn") is not None, "it is not drawn")
            tree = " | ".join(name for _, name in page.tree())
            if path == watched:
                bench.check(all(f"[{client.pid}]" in tree for client in clients), "a client is not in the page")
                bench.check("\u202e" not in tree, "text that runs backwards reached the page")
            else:
                says(bench, page, "window-said", "not closed by then")
                bench.check("lost_slots.py" in tree and "LEAK:" in tree, f"the leak is not in the page: {tree[:200]}")
                bench.check(page.run("document.querySelectorAll('#icicle .own').length") > 0, "the icicle has no line of the program")


@live("HTML: the page's policy stops a script, a style and a request that are not its own", needs=(), group="html", without=without)
def policy(bench):
    path = two_lines(bench)
    with opened(bench, path) as page:
        page.run("(s => (s.textContent = 'window.owned = 1', document.body.append(s)))(document.createElement('script'))")
        page.run("document.body.setAttribute('onclick', 'window.owned = 2'), document.body.click()")
        page.run("(s => (s.textContent = 'body { outline: 7px solid red }', document.body.append(s)))(document.createElement('style'))")
        bench.check(page.run("window.owned") is None, "a script that is not the page's has run")
        bench.check(page.run("getComputedStyle(document.body).outlineWidth") != "7px", "a style that is not the page's holds")
        answer = page.run("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'stopped')")
        bench.check(answer == "stopped", "a request left the page")
        bench.check(any("Content Security Policy" in error for error in page.errors), f"the policy says nothing: {page.errors[:3]}")

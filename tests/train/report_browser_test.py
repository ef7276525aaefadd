"""Opens reports in a headless Chromium: charts are drawn, nothing is complained of, nothing is asked of a network.

usage: report_browser_test.py [NAME...]  runs the tests of these names, or all.

With BACKFLOW_SCREENSHOTS=DIR, pictures of what was looked at are left there.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys

from browser import Browser, missing
from program import BACKFLOW, config_text, main, run, write_data

EVIL = "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">&lt;&amp;"
READY = "return document.documentElement.dataset.ready"


def train(folder, *names, steps=()):
    data = write_data(folder / "data")
    (folder / "small.toml").write_text(config_text(data))
    for i, name in enumerate(names):
        run("train", folder / "small.toml", "--out", folder / name, "--set", f"seed={i}", "--trace", "--trace-steps", 1, *steps)
    return [folder / name for name in names]


def check_drawn(browser, charts):
    """All charts have ink, and no part of the page is wider than the window."""
    assert int(browser.wait_for(READY)) >= charts
    drawn = browser.run("""return [...document.querySelectorAll('.uplot canvas, .timeline canvas')].map((canvas) => {
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      const colours = new Set();
      for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200) colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
      return colours.size;
    })""")
    assert len(drawn) >= charts and all(colours > 1 for colours in drawn), drawn
    width = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    wide = browser.run("""return [...document.querySelectorAll('body *')].filter((one) => !one.closest('.scroll') && one.getBoundingClientRect().right > innerWidth)
        .map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 60)}`).slice(0, 8)""")
    assert width[0] <= width[1], f"the page is {width[0]} pixels wide in a window of {width[1]}: {wide}"


def check_quiet(browser):
    asked = [url for url in browser.requests() if not url.startswith(("file:", "data:"))]
    assert not asked, asked
    complaints = browser.complaints()
    assert not complaints, complaints


def keep(browser, name):
    if folder := os.environ.get("BACKFLOW_SCREENSHOTS"):
        pathlib.Path(folder).mkdir(exist_ok=True)
        browser.picture(pathlib.Path(folder) / name)


def test_a_report_draws_its_charts_at_any_width_and_in_the_dark(folder):
    runs = train(folder, "a", "b")
    for name, report in (("one", runs[:1]), ("two", runs)):
        run("report", *report, "-o", folder / f"{name}.html")
    with Browser(folder / "profile") as browser:
        for name, width, scheme in (("one", 1280, "light"), ("two", 1280, "light"), ("two", 400, "light"), ("two", 1280, "dark"),
                                    ("one", 400, "dark")):
            browser.width(width)
            browser.scheme(scheme)
            browser.open_file(folder / f"{name}.html")
            check_drawn(browser, 5)
            check_quiet(browser)
            keep(browser, f"{name}-{width}-{scheme}.png")


def test_controls_of_a_report_work(folder):
    run("report", *train(folder, "a", "b"), "-o", folder / "report.html")
    with Browser(folder / "profile") as browser:
        browser.open_file(folder / "report.html")
        browser.wait_for(READY)
        series = "return [...document.querySelectorAll('.uplot')].map((one) => one.querySelectorAll('.u-legend .u-off').length)"
        assert sum(browser.run(series)) == 0
        browser.run("document.querySelector('.chip').click()")
        assert all(n > 0 for n in browser.run(series)), "a run that is hidden shows in some chart"
        browser.run("document.querySelector('input[type=checkbox]').click()")
        browser.run("""const s = document.querySelector('input[type=range]'); s.value = '0.9'; s.dispatchEvent(new Event('input'))""")
        browser.run("""const s = document.querySelector('select'); s.value = '1'; s.dispatchEvent(new Event('change'))""")
        assert browser.run("return [...document.querySelectorAll('pre')].some((one) => one.textContent.includes('seed = 1'))")
        seeds = "return [...document.querySelectorAll('main table')][0].querySelector('tbody td:nth-child(2)').textContent"
        browser.run("[...document.querySelectorAll('th button')].find((one) => one.textContent === 'seed').click()")
        assert browser.run(seeds) == "0"
        browser.run("[...document.querySelectorAll('th button')].find((one) => one.textContent === 'seed').click()")
        assert browser.run(seeds) == "1"
        check_drawn(browser, 5)
        check_quiet(browser)


def test_nothing_in_a_run_becomes_markup(folder):
    (made,) = train(folder, "run")
    evil = folder / "<img src=x onerror=alert(1)>"
    made.rename(evil)
    metrics = (evil / "metrics.jsonl").read_text()
    lines = [{"event": "step", "step": 100, "loss": 1, EVIL: 2.0}, {"event": "eval", "split": EVIL, "step": 100, "loss": 1, EVIL: 2.0},
             {"event": "confusion", "split": EVIL, "step": 100, "classes": [EVIL, "b"], "matrix": [[1, 2], [3, 4]]},
             {"event": "profile", "steps": 1, f"forward.{EVIL}.ms": 3.0, f"span.{EVIL}.ms": 3.0}, {"event": "final", EVIL: 1.0, "dump": EVIL}]
    (evil / "metrics.jsonl").write_text(metrics + "".join(json.dumps(line) + "\n" for line in lines) + '{"event": "st')
    (evil / "environment.json").write_text(json.dumps({EVIL: EVIL}))
    (evil / "log.txt").write_text(EVIL)
    (evil / "config.toml").write_text(f'name = "{EVIL}"\nseed = 1\n[data]\nx = "{EVIL}"\n')
    trace = {"name": EVIL, "cat": EVIL, "ph": "X", "tid": 0, "ts": 5, "dur": 2, "args": {"in": EVIL, "out": EVIL}}
    step = {"name": "step", "cat": "span", "ph": "X", "tid": 0, "ts": 0, "dur": 10, "args": {}}
    (evil / "trace.json").write_text('{"traceEvents": [\n' + json.dumps(step) + ",\n" + json.dumps(trace) + "\n]}")
    run("report", evil, "-o", folder / "report.html")
    with Browser(folder / "profile") as browser:
        browser.open_file(folder / "report.html")
        check_drawn(browser, 5)
        browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert browser.run("return document.images.length + document.scripts.length") == 2, "an element that is not ours"
        assert "broken" not in browser.run("return document.title").split("</")[0]
        assert browser.run("return document.title").startswith(EVIL), "text is not shown as it is"
        check_quiet(browser)


def test_the_report_of_a_sweep_is_small_and_opens_at_once(folder):
    data = write_data(folder / "data", train=600)
    (folder / "small.toml").write_text(config_text(data))
    run("sweep", folder / "small.toml", "--set", "optimizer.lr=0.1,0.03,0.01", "--set", "train.epochs=10", "--out", folder / "sweep")
    run("report", folder / "sweep")
    page = folder / "sweep/report.html"
    assert page.stat().st_size < 2e6, page.stat().st_size
    with Browser(folder / "profile") as browser:
        browser.width(1280)
        browser.open_file(page)
        check_drawn(browser, 6)
        check_quiet(browser)
        milliseconds = browser.run("return performance.timing.loadEventEnd - performance.timing.navigationStart")
        print(f"the report of 3 runs: {page.stat().st_size:,} bytes, opened in {milliseconds} ms")
        keep(browser, "sweep.png")


def test_a_report_follows_a_run(folder):
    (made,) = train(folder, "run")
    lines = (made / "metrics.jsonl").read_text().splitlines(keepends=True)
    (made / "metrics.jsonl").write_text("".join(lines[:3]))
    server = subprocess.Popen([BACKFLOW, "report", "--follow", str(made)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().split()[1]
        with Browser(folder / "profile") as browser:
            browser.open(address)
            check_drawn(browser, 4)
            points = "return Number(document.querySelector('.plot').dataset.points)"
            assert browser.run(points) == 3
            (made / "metrics.jsonl").write_text("".join(lines[:5]))
            browser.wait_for(f"{points} === 5")
            asked = browser.requests()
            assert asked and all(url.startswith((address, "data:")) for url in asked), asked
            assert not browser.complaints()
            server.send_signal(signal.SIGTERM)
            assert server.wait(timeout=30) == 0
            browser.wait_for("return document.querySelector('#live').className.includes('lost')")
    finally:
        server.kill()
        server.wait()


def test_a_picture_of_a_report(folder):
    (made,) = train(folder, "run")
    run("report", made, "--png", folder / "report.png")
    head = (folder / "report.png").read_bytes()[:24]
    assert head.startswith(b"\x89PNG") and int.from_bytes(head[16:20], "big") == 1280, head
    assert int.from_bytes(head[20:24], "big") > 1000, "the page is not on it in full"
    assert not (made / "report.html").exists()


if __name__ == "__main__":
    if why := missing():
        print(f"skipped, no browser: {why}")
        sys.exit(77)
    main(globals())

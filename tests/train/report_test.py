"""Reports and event files of the `backflow` program, without a browser: what is in them, and what is not believed.

usage: report_test.py [NAME...]  runs the tests of these names, or all.
"""
import http.client
import json
import pathlib
import re
import struct
import subprocess

from program import BACKFLOW, config_text, main, metrics, run, write_data


def train(folder, name, *args, rest=""):
    (folder / "small.toml").write_text(config_text(write_data(folder / "data"), rest=rest))
    run("train", folder / "small.toml", "--out", folder / name, *args)
    return folder / name


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.S)[1])


def report(*runs, out):
    run("report", *runs, "-o", out)
    return data_of(out)


def test_a_report_holds_what_the_run_wrote(folder):
    made = train(folder, "run", "--trace", "--trace-steps", 1)
    run("report", made)
    (shown,) = data_of(made / "report.html")["runs"]
    steps = metrics(made, "step")
    assert shown["status"] == "finished" and shown["step"] == 12 and shown["epoch"] == 2
    assert shown["steps"]["loss"]["x"] == [m["step"] for m in steps]
    assert all(abs(a - b["loss"]) <= 1e-5 * b["loss"] for a, b in zip(shown["steps"]["loss"]["y"], steps))
    evaluated = metrics(made, "eval")
    assert shown["evaluations"]["test"]["accuracy"]["x"] == [m["step"] for m in evaluated]
    assert shown["config"] == (made / "config.toml").read_text()
    assert dict(shown["environment"])["ranks"] == "1"
    assert shown["profile"]["operators"] and shown["timeline"]["threads"], "no profile or no timeline"
    assert shown["notes"] == [] and "test accuracy" in shown["log"]


def test_a_report_needs_no_other_file_and_names_the_licence(folder):
    made = train(folder, "run")
    run("report", made)
    page = (made / "report.html").read_text()
    assert "default-src 'none'" in page and "The MIT License" in page and "Leon Sorokin" in page
    assert not re.search(r"(src|href)=[\"']?(?!data:)[a-z]+:", re.sub(r"<script.*?</script>", "", page, flags=re.S))
    assert "follow=\"false\"" in page and "connect-src" not in page


def test_differences_of_runs_are_found(folder):
    runs = [train(folder, name, "--set", f"seed={i}", "--set", f"model.hidden=[{i + 4}]") for i, name in enumerate("ab")]
    shown = report(*runs, out=folder / "r.html")
    assert shown["differing"] == ["seed", "model.hidden"]
    assert [one["differences"] for one in shown["runs"]] == [["0", "[4]"], ["1", "[5]"]]
    assert [one["label"] for one in shown["runs"]] == ["seed=0, hidden=[4]", "seed=1, hidden=[5]"]


def test_damaged_lines_are_skipped_and_said(folder):
    made = train(folder, "run")
    lines = (made / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    bad = [b"\x00\xff\xfe garbage\n", b"{\"event\": \"step\"\n", b"[1, 2]\n", b"7\n", b"{\"event\": \"step\", \"step\": -3}\n",
           b"{\"event\": \"step\", \"step\": 1e300, \"loss\": 1}\n", b"{\"event\": 5}\n", b"[" * 100_000 + b"\n",
           b"{\"event\": \"confusion\", \"step\": 1, \"matrix\": [[1, 2], [3]]}\n", b"\n"]
    (made / "metrics.jsonl").write_bytes(b"".join(lines[:4] + bad + lines[4:]) + b"{\"event\": \"ste")
    (shown,) = report(made, out=folder / "r.html")["runs"]
    assert shown["steps"]["loss"]["x"] == list(range(1, 13)), "good lines count"
    assert "9 damaged lines were skipped, the first is line 5" in shown["notes"][0], shown["notes"]
    assert "incomplete" in shown["notes"][1]


def test_steps_that_are_computed_again_count_once(folder):
    made = train(folder, "run")
    text = (made / "metrics.jsonl").read_text()
    again = [{"event": "step", "step": n, "epoch": 1, "loss": 100 + n} for n in range(5, 9)]
    (made / "metrics.jsonl").write_text(text + "".join(json.dumps(line) + "\n" for line in again))
    (shown,) = report(made, out=folder / "r.html")["runs"]
    assert shown["steps"]["loss"]["x"] == list(range(1, 9)) and shown["steps"]["loss"]["y"][4:] == [105, 106, 107, 108]
    assert shown["evaluations"]["test"]["loss"]["x"] == [] and shown["status"] == "not finished"


def test_numbers_that_are_not_finite_leave_gaps(folder):
    made = train(folder, "run")
    with open(made / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write('{"event":"step","step":13,"loss":"NaN"}\n{"event":"step","step":14,"loss":"Infinity"}\n')
    (shown,) = report(made, out=folder / "r.html")["runs"]
    assert shown["steps"]["loss"]["y"][12:] == [None, None] and "2 steps" in shown["notes"][0]


def test_a_long_run_makes_a_small_page(folder):
    made = train(folder, "run")
    with open(made / "metrics.jsonl", "a", encoding="utf-8") as file:
        for step in range(13, 200_000):
            file.write(f'{{"event":"step","step":{step},"loss":{1 + step % 7}.5}}\n')
    (shown,) = report(made, out=folder / "r.html")["runs"]
    loss = shown["steps"]["loss"]
    assert len(loss["x"]) <= 1000 and loss["x"][-1] == 199_999 and loss["mean_of"] > 100
    assert abs(sum(loss["y"]) / len(loss["y"]) - 4.5) < 0.05
    assert (folder / "r.html").stat().st_size < 500_000


def test_what_is_no_run_is_refused(folder):
    assert "no such directory" in run("report", folder / "no", expect=2).stderr
    (folder / "empty").mkdir()
    assert "holds no metrics.jsonl" in run("report", folder / "empty", expect=2).stderr
    made = train(folder, "run")
    assert "need -o FILE" in run("report", made, made, expect=2).stderr


def test_the_server_answers_this_host_alone(folder):
    made = train(folder, "run")
    server = subprocess.Popen([BACKFLOW, "report", "--follow", str(made)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().split()[1]
        host, port = re.match(r"http://(127\.0\.0\.1):(\d+)/", address).groups()

        def get(path, headers=None, method="GET"):
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.getheader("Backflow-Version"), answer.read()

        assert get("/")[0] == 200 and b"connect-src 'self'" in get("/")[2]
        status, version, body = get("/data?since=0")
        assert status == 200 and json.loads(body)["runs"][0]["step"] == 12
        assert get(f"/data?since={version}")[0] == 204
        assert get("/", {"Host": "evil.example"})[0] == 403, "another name for this address must not do"
        assert get("/../../etc/passwd")[0] == 404 and get("/data", method="POST")[0] == 404
        listening = pathlib.Path("/proc/net/tcp").read_text().splitlines()
        places = [line.split()[1] for line in listening if line.split()[1].endswith(f":{int(port):04X}") and line.split()[3] == "0A"]
        assert places == [f"0100007F:{int(port):04X}"], places
    finally:
        server.terminate()
        assert server.wait(timeout=60) == 0


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def fields(message):
    """The fields of a message of Protocol Buffers: (number, value)."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
            continue
        length = {1: 8, 5: 4}.get(kind) or varint()
        yield key >> 3, message[at:at + length]
        at += length


def records(path):
    """The events of a TFRecord file, each with good checksums."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        assert struct.unpack_from("<I", data, at + 8)[0] == masked(data[at:at + 8]), "checksum of a length"
        event = data[at + 12:at + 12 + length]
        assert len(event) == length and struct.unpack_from("<I", data, at + 12 + length)[0] == masked(event), "checksum of an event"
        at += 16 + length
        yield dict(fields(event))


def scalars(path):
    found = {}
    for event in records(path):
        if 5 in event:
            for _, value in fields(event[5]):
                entry = dict(fields(value))
                found[entry[1].decode(), event.get(2, 0)] = struct.unpack("<f", entry[2])[0]
    return found


def test_event_files_hold_the_numbers_of_steps_and_evaluations(folder):
    assert crc32c(b"123456789") == 0xE3069283  # the reader itself
    made = train(folder, "run", rest="[log]\ntensorboard = true")
    (file,) = made.glob("events.out.tfevents.*")
    events = list(records(file))
    assert events[0][3] == b"brain.Event:2" and struct.unpack("<d", events[0][1])[0] > 1e9
    found = scalars(file)
    for line in metrics(made, "step"):
        assert abs(found["train/loss", line["step"]] - line["loss"]) <= 1e-6 * abs(line["loss"])
        assert abs(found["train/lr", line["step"]] - line["lr"]) <= 1e-6 * line["lr"]
    for line in metrics(made, "eval"):
        assert abs(found["test/accuracy", line["step"]] - line["accuracy"]) <= 1e-6
    assert not list(train(folder, "without").glob("events*"))


def test_a_resumed_run_tells_tensorboard_what_is_computed_again(folder):
    made = train(folder, "run", "--set", "train.max_steps=7", "--set", "checkpoint.every_steps=4", rest="[log]\ntensorboard = true")
    first = next(made.glob("events.out.tfevents.*"))
    run("train", folder / "small.toml", "--out", made, "--resume", made / "checkpoints/step-000000004.h5",
        "--set", "checkpoint.every_steps=4")
    (second,) = set(made.glob("events.out.tfevents.*")) - {first}
    start = next(event for event in records(second) if 7 in event)
    assert start[2] == 5 and dict(fields(start[7])) == {1: 1}
    assert min(step for tag, step in scalars(second) if tag == "train/loss") == 5
    run("train", folder / "small.toml", "--out", made, "--overwrite")
    assert len(list(made.glob("events.out.tfevents.*"))) == 1


if __name__ == "__main__":
    main(globals())

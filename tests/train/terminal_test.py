"""What a person sees of a run on a terminal: reads the screen of tmux.

usage: terminal_test.py [NAME...]  runs the tests of these names, or all.
"""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import time

from program_test import BACKFLOW, CONFIG, SMALL, main

PROGRESS = re.compile(r"step \d+/\d+")


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or while it was read
        return False


class Terminal:
    """A terminal of so many columns, in which a command runs. `folder`: of the server's socket."""

    def __init__(self, folder, columns, command):
        assert shutil.which("tmux"), "need the program tmux: scripts/setup.sh installs it"
        self.socket = str(folder / f"tmux-{columns}")
        # The shell stays, so that the screen does. Nothing of the user's configuration.
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", 50, f"{shlex.join(map(str, command))}; cat")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The program stops at the hangup and writes a dump first: its files are to be there until then.
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        running = [shell, *subprocess.run(["pgrep", "-P", shell], capture_output=True, text=True, check=False).stdout.split()]
        self.tmux("kill-server")
        while any(is_running(pid) for pid in running):
            time.sleep(0.02)

    def tmux(self, *words):
        environment = {name: text for name, text in os.environ.items() if name not in ("TMUX", "COLUMNS", "LINES")}
        return subprocess.run(["tmux", "-S", self.socket, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=True, timeout=60, env=environment).stdout

    def resize(self, columns):
        self.tmux("set-option", "-g", "window-size", "manual", ";", "resize-window", "-x", columns, "-y", 50)

    def lines(self):
        """Those that are not empty, with what has left the screen at its top."""
        return [line.rstrip() for line in self.tmux("capture-pane", "-p", "-S", "-").splitlines() if line.strip()]

    def wait_for(self, condition):
        while True:
            has_ended = self.tmux("display-message", "-p", "#{pane_current_command}").strip() == "cat"
            lines = self.lines()
            if condition(lines):
                return lines
            assert not has_ended, lines


def progress(lines):
    return [line for line in lines if PROGRESS.search(line)]


def long_run(folder, columns):
    return Terminal(folder, columns, [BACKFLOW, "train", CONFIG, *SMALL, "--set", "train.epochs=2100", "--out", folder / str(columns)])


def check_one_line(folder, columns, parts):
    """Steps go on in one line that is never wrapped, below what was there before."""
    with long_run(folder, columns) as terminal:
        seen = set()
        while len(seen) < 5:
            lines = terminal.lines()
            drawn = progress(lines)
            assert len(drawn) <= 1, lines
            if drawn:
                assert lines[-1] == drawn[0] and len(drawn[0]) < columns, lines
                assert all(part in drawn[0] for part in parts), drawn
                seen.add(drawn[0])


def test_at_120_columns(folder):
    check_one_line(folder, 120, ["[", "epoch ", "step ", "loss ", " samples/s", "ETA "])


def test_at_80_columns(folder):
    check_one_line(folder, 80, ["epoch ", "step ", "loss ", " samples/s", "ETA "])


def test_at_40_columns(folder):
    check_one_line(folder, 40, ["step "])


def test_at_20_columns(folder):
    check_one_line(folder, 20, ["step "])


def test_epochs_stand_above_the_line(folder):
    with long_run(folder, 120) as terminal:
        lines = terminal.wait_for(lambda lines: sum("test accuracy" in line for line in lines) >= 2)
    epochs = [line for line in lines if "test accuracy" in line]
    assert all(re.fullmatch(r"epoch \d+/2100: loss \S+, test loss \S+, test accuracy \S+, \S+ s", line) for line in epochs), lines
    assert len(progress(lines)) <= 1, lines


def test_a_terminal_that_changes_its_width(folder):
    """A line that is drawn while the width changes may stay, since a terminal changes first and tells it then. But one alone."""
    widths = (60, 100, 40, 120)
    with long_run(folder, 120) as terminal:
        terminal.wait_for(progress)
        for columns in widths:
            terminal.resize(columns)
            before = progress(terminal.wait_for(progress))

            def fits(lines):
                """An epoch that ends meanwhile has its line below."""
                now = progress(lines)
                return now and now != before and lines[-1] == now[-1] and len(now[-1]) < columns

            terminal.wait_for(fits)
        for _ in range(5):
            before = progress(terminal.wait_for(progress))
            assert len(before) <= 1 + len(widths), before
            terminal.wait_for(lambda lines: progress(lines) and progress(lines) != before)


def test_the_table_of_operators_fits_and_the_accuracy_comes_last(folder):
    for columns in (60, 80, 120):
        out = folder / str(columns)
        command = [BACKFLOW, "train", CONFIG, *SMALL, "--set", "train.max_steps=20", "--profile", "--out", out]
        with Terminal(folder, columns, command) as terminal:
            lines = terminal.wait_for(lambda lines: lines and lines[-1].startswith("test accuracy 0."))
        begin, end = (next(i for i, line in enumerate(lines) if line.startswith(start)) for start in ("profile of", "run dir"))
        table = lines[begin:end]
        names = [line.split()[0] for line in table]
        assert "linear" in names and "AddmmBackward0" in names, lines
        assert all(len(line) < columns for line in table), table
        # A row that was wrapped would leave its last number on a line of its own.
        assert not [line for line in table if re.fullmatch(r"[\d.% ]+", line)], table
        assert not progress(lines), lines


if __name__ == "__main__":
    main(globals())

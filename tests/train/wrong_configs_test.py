"""Wrong configurations: what the program says of each, at which line, and that it ends with 2. The sweep over all keys and
all kinds of values is config_sweep_test.cpp; here are files, and what several keys say together.
"""
import gzip
import pathlib
import re
import tempfile

from program import BACKFLOW, SOURCE, errors, run, write_data

GOOD = """name = "t"
[data]
directory = "{data}"
[model]
hidden = [4]
[optimizer]
lr = 0.1
[train]
epochs = 1
batch_size = 8
"""


def write_files(folder):
    """Data under the names that [data] has by default."""
    write_data(folder)
    for path in list(folder.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def config(folder, text, name="x.toml"):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.replace("{data}", str(folder / "data")))
    return path


def said(folder, text, *arguments, expect=2, **options):
    """The errors of a configuration, without the folder's name."""
    done = run("config", config(folder, text), *arguments, expect=expect, **options)
    assert "terminate" not in done.stderr
    return [line.removeprefix("backflow: error: ").replace(f"{folder}/", "") for line in errors(done)]


# What replaces what in GOOD; the line of the error; what it has to say.
WRONG = [
    ('hidden = [4]', 'hiden = [4]', 4, "missing key 'hidden'"),
    ('lr = 0.1', 'lr = 0.1\nmomentun = 0.9', 8, "did you mean 'momentum'?"),
    ('lr = 0.1', 'lr = -1', 7, "need a number of at least 0 (learning rate)"),
    ('lr = 0.1', 'lr = 0.1\nbetas = [0.9, 0.9]', 8, 'it is a key of name = "adam" or "adamw", not of "sgd"'),
    ('lr = 0.1', 'name = "adma"', 7, 'did you mean "adam"?'),
    ('lr = 0.1', 'name = "adam"\nbetas = [0.9]', 8, "need two"),
    ('lr = 0.1', 'lr = 0.1\nnesterov = true', 8, "need a momentum above 0"),
    ('epochs = 1', 'epochs = 1.5', 9, "is a float: need an integer"),
    ('epochs = 1', 'epochs = "1"', 9, "is a string: need an integer"),
    ('epochs = 1', 'epochs = 2000-01-01', 9, "is a date"),
    ('epochs = 1', 'epochs = 1\nepochs = 2', 10, "not TOML"),
    ('[train]', '[train', 8, "not TOML"),
    ('[train]', '[trian]', 8, "did you mean [train]?"),
    ('batch_size = 8', 'batch_size = 8\n[distributed]\ncompression = "bf16"\nreduction = "reproducible"', 12, '"none" here'),
    ('batch_size = 8', 'batch_size = 8\ndtype = "float64"\n[distributed]\ncompression = "bf16"', 13, "need train.dtype"),
    ('batch_size = 8', 'batch_size = 8\n[distributed]\ncompression = "powersgd"\nshard_optimizer = true', 12, "one of the two"),
    ('batch_size = 8', 'batch_size = 100\ndrop_last = true', 10, "samples"),
    ('directory = "{data}"', 'directory = "/nowhere"', 2, "/nowhere"),
    ('directory = "{data}"', 'directory = "${BACKFLOW_NO_SUCH_VARIABLE}"', 3, "is not set"),
    ('directory = "{data}"', 'directory = "${"', 3, "without '}'"),
    ('name = "t"', 'name = "a/b"', 1, "a name that a directory can have"),
    ('name = "t"', 'include = "none.toml"\nname = "t"', 0, "included at"),
    ('name = "t"', 'include = "x.toml"\nname = "t"', 1, "includes itself"),
    ('name = "t"', 'include = 3\nname = "t"', 1, "need the name of a file"),
    ('hidden = [4]', 'name = "layers"', 4, "no layers"),
    ('hidden = [4]', 'layers = [{type = "flatten"}, {type = "linear"}]', 5, "missing key 'out_features'"),
    ('hidden = [4]', 'layers = [{type = "conv2d", out_channels = 2, kernel_size = 99}]', 5, "conv2d"),
    ('hidden = [4]', 'layers = [{type = "linar"}]', 5, 'did you mean "linear"?'),
]


def test_one_mistake_is_one_error_at_its_line(folder):
    assert said(folder, GOOD, expect=0) == []
    for old, new, line, words in WRONG:
        lines = said(folder, GOOD.replace(old, new))
        assert len(lines) == 1 and words in lines[0], (new, lines)
        assert not line or lines[0].startswith(f"x.toml:{line}:"), (new, lines)


def test_all_mistakes_of_a_file_are_said_at_once(folder):
    text = GOOD.replace("lr = 0.1", "lr = 'a'").replace("epochs", "epoch").replace("[4]", "[0]")
    lines = said(folder, text, "--set", "train.batch_size=no")
    assert [line.split(": ")[0] for line in lines] == ["x.toml:5:11", "x.toml:7:6", "x.toml:9:1", "--set train.batch_size=no"], lines


def test_included_files_and_variables(folder):
    config(folder, GOOD, "base/base.toml")
    config(folder, "[train]\nepochs = 3\n", "base/more.toml")
    text = 'include = ["base/base.toml", "base/more.toml"]\nname = "${BACKFLOW_TEST_NAME:-none}"\n'
    resolved = run("config", config(folder, text)).stdout
    assert 'name = "none"' in resolved and "epochs = 3" in resolved and "include" not in resolved
    assert run("config", config(folder, resolved, "y.toml")).stdout == resolved
    config(folder, "[train]\nepochs = -3\n", "base/more.toml")
    assert said(folder, text)[0].startswith("base/more.toml:2:10: 'epochs' in [train] is -3")


def test_help_schema_and_tables(folder):
    assert "passes over the training data" in run("--help-config", "train.epochs").stdout
    assert run("--help-config", "train").stdout.startswith("[train]")
    everything = run("--help-config").stdout
    assert "learning rate" in everything and "[[model.layers]]" in everything
    assert "did you mean 'train.epochs'?" in errors(run("--help-config", "train.epoch", expect=2))[0]
    assert run("config", "--schema").stdout.startswith("{")
    assert "need the TOML file" in errors(run("config", expect=2))[0]


def test_documents_have_what_the_program_says(folder):
    from program import run_command
    run_command(["/usr/bin/python3", str(SOURCE / "scripts/document_keys.py"), "--check", BACKFLOW])


def test_dry_run_shows_the_model(folder):
    done = run("train", config(folder, GOOD), "--dry-run", "--set", "optimizer.momentum=0.9").stdout
    assert re.search(r"Linear +\[4\] +260 ", done), done  # 8x8 bytes
    assert re.search(r"all +\[3\] +275 ", done), done
    assert "memory of a rank, about" in done and "8 steps per epoch, 8 in all" in done, done


if __name__ == "__main__":
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            with tempfile.TemporaryDirectory() as temporary:
                folder = pathlib.Path(temporary)
                write_files(folder / "data")
                test(folder)

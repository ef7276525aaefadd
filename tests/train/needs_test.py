"""What a user who trains models of their own needs, sixteen things, each by the program and configurations alone.

usage: needs_test.py [NAME...]  runs the tests of these names, or all. Those that need PyTorch say so where it is missing.
"""
import csv
import json
import os
import re
import signal
import subprocess
import time

import h5py
import numpy as np

from program import BACKFLOW, main, metrics, newest, png, run

try:
    import torch
except ModuleNotFoundError:
    torch = None
    print("left out: what needs PyTorch, which is not installed")

# A head that all configurations share, and a small network for small pictures.
NETWORK = """layers = [
  {type = "conv2d", out_channels = 4, kernel_size = 3, padding = 1},
  {type = "batch_norm2d"},
  {type = "relu"},
  {type = "max_pool2d", kernel_size = 2},
  {type = "flatten"},
  {type = "linear", out_features = 3},
]"""
DIGITS = 'format = "synthetic"\ngenerator = "digits"\nsamples = 600\ntest_samples = 200\nsize = 16'
SPIRALS = 'format = "synthetic"\ngenerator = "spirals"\nsamples = 600\ntest_samples = 300\nclasses = 3'


def write_config(folder, data, model='name = "mlp"\nhidden = [16]', optimizer='name = "adam"\nlr = 0.01', epochs=5,
                 batch=50, rest=""):
    (folder / "config.toml").write_text(
        f'name = "need"\nseed = 1\n[data]\n{data}\n[model]\n{model}\n[optimizer]\n{optimizer}\n'
        f"[train]\nepochs = {epochs}\nbatch_size = {batch}\n{rest}")
    return folder / "config.toml"


def train(folder, *args, out="run", expect=0, **keys):
    if keys:
        write_config(folder, **keys)
    done = run("train", folder / "config.toml", "--out", folder / out, *args, expect=expect)
    return folder / out, done.stdout


def predictions(dump, data, folder):
    run("predict", dump, "--data", data, "-o", folder / "p.npy")
    return np.load(folder / "p.npy")


def parameters(dump):
    with h5py.File(dump) as file:
        return {name: data[()] for group in ("parameters", "buffers") if group in file for name, data in file[group].items()}


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def pictures(n=60, classes=3, seed=1):
    """Pictures [n, 1, 8, 8] in which rows of the class's number are bright, and their classes."""
    source = np.random.default_rng(seed)
    x, y = source.normal(size=(n, 1, 8, 8)).astype("f4"), np.arange(n) % classes
    for picture, k in zip(x, y):
        picture[0, k::classes] += 2
    return x, y


def write_pictures(folder, **keys):
    x, y = pictures(**keys)
    for name, array in (("x", x), ("y", y)):
        np.save(folder / f"{name}.npy", array)
    return 'format = "numpy"\n' + "\n".join(f'{part}_file = "{folder}/x.npy"\n{part}_targets_file = "{folder}/y.npy"'
                                            for part in ("train", "test"))


def torch_network(outputs=3):
    """NETWORK in PyTorch, with running statistics that are not those of the start."""
    torch.manual_seed(2)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
                              torch.nn.MaxPool2d(2), torch.nn.Flatten(), torch.nn.Linear(64, outputs))
    with torch.no_grad():
        net(3 * torch.randn(50, 1, 8, 8) + 1)
    return net.eval()


def probabilities(net, x):
    with torch.no_grad():
        return net(torch.from_numpy(x)).softmax(1).numpy()


def test_a_residual_network_with_batch_norm_dropout_adamw_and_a_warmed_up_cosine(folder):
    block = ('{type = "conv2d", out_channels = 8, kernel_size = 3, padding = 1, bias = false}, {type = "batch_norm2d"}, '
             '{type = "relu"}, {type = "dropout", p = 0.2}')
    model = (f"layers = [\n{block},\n" + '{type = "residual", layers = [' + block + "]},\n" + '{type = "max_pool2d", kernel_size = 4},\n'
             '{type = "flatten"},\n{type = "linear", out_features = 10},\n]')
    out, _ = train(folder, data=DIGITS, model=model, optimizer='name = "adamw"\nlr = 0.02\nweight_decay = 0.05', epochs=6,
                   rest='[schedule]\nname = "cosine"\nwarmup = 1\n')
    assert metrics(out, "final")[0]["test_accuracy"] > 0.9, metrics(out, "eval")
    rates = [line["lr"] for line in metrics(out, "step")]  # 12 steps of warm-up, then half a cosine of 60
    assert len(rates) == 72 and rates[:12] == sorted(rates[:12]) and rates[0] < 0.004
    expected = [0.02 * (1 + np.cos(np.pi * t / 60)) / 2 for t in range(60)]
    assert np.allclose(rates[12:], expected, rtol=1e-9), rates
    values = parameters(newest(out))
    assert {"1.running_mean", "4.0.1.running_var"} <= set(values) and "optimizer" in h5py.File(newest(out)), sorted(values)
    # Dropout and the decay of weights are there: without them the same run ends elsewhere.
    for change in ("model.layers.3.p=0.0", "optimizer.weight_decay=0.0"):
        other, _ = train(folder, "--set", change, "--overwrite", out="other")
        assert any((value != values[name]).any() for name, value in parameters(newest(other)).items()), change


def test_a_csv_file(folder):
    source = np.random.default_rng(1)
    lines = ['size,"town, or region",age,sold']
    for i in range(300):
        size, age, town = source.uniform(1, 3), source.uniform(0, 9), source.choice(["Ulm", '"New" York', "Bad, the"])
        sold = "yes" if size * (2 if town == "Ulm" else 1) > 2.5 else "no"
        lines.append(f'{size!r},"{town.replace(chr(34), 2 * chr(34))}",{"" if i % 50 == 7 else repr(age)},{sold}')
    (folder / "houses.csv").write_text("\n".join(lines) + "\n")
    out, said = train(folder, epochs=40, data=f'format = "csv"\ntrain_file = "{folder}/houses.csv"\ntarget_columns = ["sold"]\n'
                      'category_columns = ["town, or region"]\nmissing = "mean"\nnormalize = "auto"\nvalidation = 0.2')
    assert "240 samples of [5] in 2 classes, 60 for validation" in said, said  # size, age, three towns
    assert metrics(out, "eval")[-1]["accuracy"] > 0.9
    # Columns of new data are found by their names; there may be more of them, and none of the target.
    (folder / "new.csv").write_text('age,id,"town, or region",size\n5,a,Ulm,2.9\n?,b,"Bad, the",1.1\n')
    run("predict", newest(out), "--data", folder / "new.csv", "-o", folder / "p.csv")
    header, *rows = rows_of(folder / "p.csv")
    assert header == ["class", "no", "yes"] and [row[0] for row in rows] == ["yes", "no"], rows


def test_folders_of_png_files(folder):
    source = np.random.default_rng(1)
    for part, n in (("train", 20), ("test", 5)):
        for k, name in enumerate(("blue", "green", "red")):
            (folder / part / name).mkdir(parents=True)
            for i in range(n):
                pixels = source.integers(0, 120, size=(9 + i % 4, 12, 3)).astype(np.uint8)
                pixels[:, :, 2 - k] += 100
                (folder / part / name / f"{i}.png").write_bytes(png(pixels))
    out, said = train(folder, epochs=4, batch=10, data=f'format = "images"\ndirectory = "{folder}"\ntrain_folder = "train"\n'
                      'test_folder = "test"\nheight = 8\nwidth = 8\nnormalize = "auto"', model=NETWORK)
    assert "60 samples of [3, 8, 8] in 3 classes, 15 for testing" in said, said
    assert metrics(out, "final")[0]["test_accuracy"] == 1
    run("predict", newest(out), "-o", folder / "p.csv")
    header, *rows = rows_of(folder / "p.csv")
    assert header[1:] == ["blue", "green", "red"] and [row[0] for row in rows] == ["blue"] * 5 + ["green"] * 5 + ["red"] * 5


def test_hdf5_with_x_and_y(folder):
    x, y = pictures(90)
    with h5py.File(folder / "data.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(16, 1, 8, 8), compression="gzip", shuffle=True)
        file["y"] = y
    out, said = train(folder, data=f'format = "hdf5"\ntrain_file = "{folder}/data.h5"\nvalidation = 0.2', model=NETWORK, batch=8)
    assert "72 samples of [1, 8, 8] in 3 classes, 18 for validation" in said, said
    assert metrics(out, "eval")[-1]["accuracy"] == 1
    # New data need no y.
    with h5py.File(folder / "new.h5", "w") as file:
        file["x"] = x[:10]
    assert (predictions(newest(out), folder / "new.h5", folder).argmax(1) == y[:10]).all()


def test_a_start_from_pytorch_weights(folder):
    if not torch:
        return
    net, (x, y) = torch_network(), pictures()
    torch.save(net.state_dict(), folder / "net.pt")
    write_config(folder, write_pictures(folder) + "\nshuffle = false", NETWORK, 'name = "sgd"\nlr = 0.1', epochs=1, batch=60)
    out, said = train(folder, "--init", folder / "net.pt", "--set", "train.epochs=0")
    assert "net.pt: 9 tensors loaded, all that there are" in said, said
    assert np.allclose(predictions(newest(out), folder / "x.npy", folder), probabilities(net, x), atol=1e-6)
    # A step of training from there is a step of PyTorch's.
    out, _ = train(folder, "--init", folder / "net.pt", out="trained")
    optimizer = torch.optim.SGD(net.train().parameters(), lr=0.1)
    torch.nn.functional.cross_entropy(net(torch.from_numpy(x)), torch.from_numpy(y)).backward()
    optimizer.step()
    assert np.allclose(predictions(newest(out), folder / "x.npy", folder), probabilities(net.eval(), x), atol=1e-5)


def test_curves_of_the_loss_in_a_report(folder):
    out, _ = train(folder, data=SPIRALS)
    run("report", out, "-o", folder / "report.html")
    page = (folder / "report.html").read_text()
    (shown,) = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])["runs"]
    steps, evaluated = metrics(out, "step"), metrics(out, "eval")
    assert shown["steps"]["loss"]["x"] == list(range(1, 61))
    assert np.allclose(shown["steps"]["loss"]["y"], [line["loss"] for line in steps], rtol=1e-5)
    assert np.allclose(shown["evaluations"]["test"]["loss"]["y"], [line["loss"] for line in evaluated], rtol=1e-5)
    assert "uPlot" in page and evaluated[-1]["loss"] < evaluated[0]["loss"]


def test_a_sweep_of_the_learning_rate(folder):
    write_config(folder, DIGITS, epochs=6)
    said = run("sweep", folder / "config.toml", "--set", "optimizer.lr=0.03,1e-6,0.003", "--out", folder / "sweep").stdout
    with open(folder / "sweep/summary.csv", newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [row["optimizer.lr"] for row in table] == ["0.03", "0.003", "1e-6"], said  # the best is first
    assert float(table[0]["test_accuracy"]) > float(table[2]["test_accuracy"]) + 0.2, said
    run("report", folder / "sweep", "-o", folder / "report.html")
    assert (folder / "report.html").read_text().count('"label":"lr=') == 3


def test_a_run_that_is_killed_goes_on_with_the_same_bits(folder):
    rest = "[checkpoint]\nevery_steps = 3\n[ema]\ndecay = 0.9\n"
    config = write_config(folder, SPIRALS, 'name = "mlp"\nhidden = [16]\ndropout = 0.1', epochs=1000000, rest=rest)
    out = folder / "killed"
    process = subprocess.Popen([BACKFLOW, "train", config, "--out", out, "--quiet"], stdout=subprocess.DEVNULL)
    while not list(out.glob("checkpoints/step-*[1-9]*.h5")):  # it has no end of its own; the test's time has
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    last = int(newest(out).stem.split("-")[1])
    end = ("--set", f"train.max_steps={last + 20}")
    train(folder, "--resume", "auto", *end, out="killed")
    assert metrics(out, "step")[-1]["step"] == last + 20 and len(list(out.glob("checkpoints/*.tmp"))) == 0
    whole, _ = train(folder, *end, out="whole")
    assert os.path.basename(newest(out)) == os.path.basename(newest(whole))
    assert run("inspect", newest(out), "--diff", newest(whole)).stdout == ""


def test_a_validation_split(folder):
    """Classes at random can be learned by heart, so only samples that were trained with are known."""
    source = np.random.default_rng(1)
    np.save(folder / "x.npy", source.normal(size=(200, 30)))
    np.save(folder / "y.npy", source.integers(0, 2, 200))
    data = f'format = "numpy"\ntrain_file = "{folder}/x.npy"\ntrain_targets_file = "{folder}/y.npy"\nvalidation = 0.25'
    out, said = train(folder, data=data, model='name = "mlp"\nhidden = [64]', epochs=60)
    assert "150 samples of [30] in 2 classes, 50 for validation" in said, said
    last = metrics(out, "eval")[-1]
    assert last["split"] == "validation" and last["accuracy"] < 0.75 and metrics(out, "step")[-1]["loss"] < 0.1, last
    correct = predictions(newest(out), folder / "x.npy", folder).argmax(1) == np.load(folder / "y.npy")
    assert correct.sum() == 150 + round(50 * last["accuracy"]), "150 are known by heart"
    assert "validation_accuracy" in run("evaluate", newest(out)).stdout


def write_noise(folder):
    """Values at random: what is learned of the one half makes the other worse."""
    source = np.random.default_rng(1)
    np.savez(folder / "noise.npz", x=source.normal(size=(60, 30)), y=source.normal(size=(60, 1)))
    return f'format = "numpy"\ntrain_file = "{folder}/noise.npz"\nvalidation = 0.5'


def test_early_stopping(folder):
    out, said = train(folder, data=write_noise(folder), epochs=500, rest="[early_stopping]\npatience = 4\n")
    values = [line["loss"] for line in metrics(out, "eval")]
    assert len(values) < 500 and values.index(min(values)) == len(values) - 5, values
    assert f"stopped early after step {len(values)}: no better loss than" in said, said


def test_a_regression(folder):
    out, _ = train(folder, data='format = "synthetic"\ngenerator = "regression"\nsamples = 2000\ntest_samples = 400\nfeatures = 4\n'
                   "noise = 0.0", model='name = "mlp"\nhidden = [32, 32]\nactivation = "tanh"', epochs=15,
                   rest='[task]\nloss = "huber"\n')
    final = metrics(out, "final")[0]
    assert final["test_r2"] > 0.95 and final["test_mae"] < 0.2, final
    assert abs(final["test_rmse"] ** 2 - final["test_mse"]) < 1e-6 * final["test_mse"]


def test_an_export_to_pytorch(folder):
    if not torch:
        return
    out, _ = train(folder, data=write_pictures(folder), model=NETWORK, batch=10)
    run("convert", newest(out), folder / "net.pt")
    net = torch_network()
    net.load_state_dict(torch.load(folder / "net.pt"))
    x, y = pictures()
    ours = predictions(newest(out), folder / "x.npy", folder)
    assert np.allclose(probabilities(net, x), ours, atol=1e-6) and (ours.argmax(1) == y).all()


def test_predictions_in_three_formats(folder):
    out, _ = train(folder, data=write_pictures(folder), model=NETWORK, batch=10)
    new, _ = pictures(25, seed=2)
    np.save(folder / "new.npy", new)
    exact = predictions(newest(out), folder / "new.npy", folder)
    assert exact.shape == (25, 3) and np.allclose(exact.sum(1), 1, atol=1e-5)
    for name in ("p.csv", "p.h5"):
        run("predict", newest(out), "--data", folder / "new.npy", "-o", folder / name)
    header, *rows = rows_of(folder / "p.csv")
    assert header == ["class", "0", "1", "2"] and [int(row[0]) for row in rows] == list(exact.argmax(1))
    assert (np.array([row[1:] for row in rows], "f4") == exact).all()
    with h5py.File(folder / "p.h5") as file:
        assert (file["predictions"][()] == exact).all() and (file["class"][()] == exact.argmax(1)).all()


def test_the_best_checkpoint(folder):
    out, said = train(folder, data=write_noise(folder), epochs=60, rest='[checkpoint]\nbest = "loss"\n')
    values = [line["loss"] for line in metrics(out, "eval")]
    best, last = (json.loads(run("evaluate", dump).stdout) for dump in (out / "checkpoints/best.h5", newest(out)))
    assert best["validation_loss"] == min(values) < 0.9 * values[-1] and last["validation_loss"] == values[-1], values
    assert best["step"] == 1 + values.index(min(values)) < last["step"] == 60
    assert metrics(out, "final")[0]["best_loss"] == min(values) and f"after {best['step']} steps: checkpoints/best.h5" in said


def test_a_start_from_what_fits_in_a_file(folder):
    if not torch:
        return
    net = torch_network(outputs=100)
    state = net.state_dict()
    del state["1.running_var"]
    state["head.scale"] = torch.ones(2)
    torch.save({"state_dict": state, "epoch": 3}, folder / "net.pth")
    write_config(folder, write_pictures(folder), NETWORK, epochs=0)
    out, said = train(folder, "--init", folder / "net.pth")
    report = said[said.index("start from "):].splitlines()[:4]
    assert report == [f"start from {folder}/net.pth: 6 tensors loaded", "  missing in the file (1): 1.running_var",
                      "  unexpected, not in the model (1): head.scale",
                      "  mismatched (2): 5.weight: f32[3, 64], in the file f32[100, 64], 5.bias: f32[3], in the file f32[100]"], said
    values = parameters(newest(out))
    for name in ("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.num_batches_tracked"):
        assert (values[name] == state[name].numpy()).all(), name
    assert (values["1.running_var"] == 1).all() and values["5.weight"].std() > 0.01
    _, _ = train(folder, "--init", folder / "net.pth", "--set", "init.strict=true", out="strict", expect=2)


def test_a_confusion_matrix(folder):
    out, _ = train(folder, data=SPIRALS, epochs=8)
    run("predict", newest(out), "-o", folder / "p.csv")
    predicted = [int(row[0]) for row in rows_of(folder / "p.csv")[1:]]
    last = metrics(out, "confusion")[-1]
    matrix = np.array(last["matrix"])
    assert last["classes"] == ["0", "1", "2"] and matrix.sum() == 300
    assert [predicted.count(k) for k in range(3)] == list(matrix.sum(0)), "a column for each predicted class"
    final = metrics(out, "final")[0]
    assert abs(np.trace(matrix) / 300 - final["test_accuracy"]) < 1e-9
    recall = np.mean(np.diag(matrix) / matrix.sum(1))
    assert abs(recall - final["test_recall"]) < 1e-6
    table = run("evaluate", newest(out), "--table").stdout
    assert re.search(r"class +samples +predicted +precision +recall", table), table
    run("report", out)
    assert '"confusion"' in (out / "report.html").read_text()


if __name__ == "__main__":
    main(globals())

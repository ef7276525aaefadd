"""Nets, optimizers and schedules go from PyTorch to Backflow and back, through files of every format.

usage: pytorch_test.py [NAME...]  runs the tests of these names, or all.
"""
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import h5py
    import numpy
    import torch
    from torch import nn
except ImportError as error:
    print(f"skipped: {error}; scripts/setup.sh --torch installs it")
    sys.exit(77)

TOOL = str(pathlib.Path(os.environ["BACKFLOW_BIN"]) / "pytorch_models")
SAFETENSORS = {torch.float32: "F32", torch.float64: "F64", torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32",
               torch.uint8: "U8", torch.bool: "BOOL"}


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.down = nn.Sequential(nn.Conv2d(3, 8, 1, stride=2, bias=False), nn.BatchNorm2d(8))
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return self.fc(torch.relu(y + self.down(x)).mean((2, 3)))


class Embedded(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.fc = nn.Linear(6, 4)

    def forward(self, x):
        return self.fc(self.embedding(x).mean(1))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 4)
        self.decoder = nn.Linear(4, 9)
        self.decoder.weight = self.embedding.weight

    def forward(self, x):
        return self.decoder(self.embedding(x))


class BFloat16(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(7, 3).to(torch.bfloat16)

    def forward(self, x):
        return nn.functional.linear(x, self.fc.weight.float(), self.fc.bias.float())


class Scalars(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.7))
        self.register_buffer("shift", torch.tensor(0.1, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(5))
        self.register_buffer("flag", torch.tensor([True]))

    def forward(self, x):
        return x * self.scale + self.shift.float() + self.count.float() * self.flag.float()


class Empty(nn.Module):
    def __init__(self):
        super().__init__()
        self.none = nn.Parameter(torch.zeros(0, 4))
        self.register_buffer("nothing", torch.zeros(3, 0, dtype=torch.int64))
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(torch.cat([x, self.none]))


class Bags(nn.Module):
    def __init__(self):
        super().__init__()
        self.bag = nn.EmbeddingBag(10, 5, mode="sum")
        self.norm = nn.BatchNorm1d(5, affine=False)

    def forward(self, x):
        return self.norm(self.bag(x))


def mlp():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


NETS = {
    "mlp": (mlp, lambda: torch.randn(5, 6)),
    "batch_norm": (lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3)), lambda: torch.randn(5, 6)),
    "lenet": (lambda: nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
                                    nn.Flatten(), nn.Linear(256, 10)), lambda: torch.randn(3, 1, 28, 28)),
    "residual": (Residual, lambda: torch.randn(2, 3, 12, 12)),
    "embedding": (Embedded, lambda: torch.randint(11, (4, 3))),
    "tied": (Tied, lambda: torch.randint(9, (6,))),
    "bfloat16": (BFloat16, lambda: torch.randn(4, 7)),
    "scalars": (Scalars, lambda: torch.randn(4)),
    "empty": (Empty, lambda: torch.randn(3, 4)),
    "norms": (lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.GroupNorm(2, 6), nn.PReLU(), nn.Flatten(), nn.LayerNorm(216), nn.Linear(216, 2)),
              lambda: torch.randn(2, 3, 8, 8)),
    "float64": (lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.ELU(), nn.ConvTranspose2d(4, 2, 2, stride=2)).double(),
                lambda: torch.randn(2, 4, 7, 7, dtype=torch.float64)),
    "bags": (Bags, lambda: torch.randint(10, (4, 6))),
}


def bits(x):
    return x.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes() if x.numel() else b""


def check_equal(state, path):
    """The file holds the same names in the same order, and the same dtypes, shapes and bits."""
    read = torch.load(path, weights_only=True)
    assert list(read) == list(state), (path, list(read), list(state))
    for name, x in state.items():
        y = read[name]
        assert (y.dtype, y.shape, bits(y)) == (x.dtype, x.shape, bits(x)), (path, name, x, y)


def write_safetensors(state, path):
    header, data = {}, b""
    for name, x in state.items():
        header[name] = {"dtype": SAFETENSORS[x.dtype], "shape": list(x.shape), "data_offsets": [len(data), len(data) + len(bits(x))]}
        data += bits(x)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def write_for_python(state, folder):
    """What a program in Python writes of a state_dict with the libraries of each format. NumPy has no bfloat16."""
    write_safetensors(state, folder / "from_python.safetensors")
    if any(x.dtype == torch.bfloat16 for x in state.values()):
        return ["safetensors"]
    arrays = {name: x.detach().numpy() for name, x in state.items()}
    numpy.savez(folder / "from_python.npz", **arrays)
    with h5py.File(folder / "from_python.h5", "w", track_order=True) as file:
        parameters = file.create_group("parameters", track_order=True)
        for name, x in arrays.items():
            parameters[name] = x
    return ["safetensors", "npz", "h5"]


def run_tool(*arguments):
    done = subprocess.run([TOOL, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (arguments, done.stderr)


def test_twelve_nets_go_through_every_format(folder):
    for name, (make, make_input) in NETS.items():
        place = folder / name
        place.mkdir()
        torch.manual_seed(7)
        net = make()
        for _ in range(2):
            net(make_input())  # moves the running statistics
        net.eval()
        state, x = net.state_dict(), make_input()
        torch.save(state, place / "weights.pt")
        torch.save(x, place / "input.pt")
        written = write_for_python(state, place)
        run_tool("model", name, place)
        with_hdf5 = (place / "through.h5").exists()
        if not with_hdf5:
            print(f"{name}: this build of Backflow has no HDF5: the other formats alone")
        formats = [format for format in ("pt", "safetensors", "npz", "h5") if format != "h5" or with_hdf5]
        for format in formats:
            check_equal(state, place / f"back_{format}.pt")
        for format in set(written) & set(formats):
            check_equal(state, place / f"back_from_python_{format}.pt")
        with torch.no_grad():
            y = net(x)
        ours = torch.load(place / "output.pt", weights_only=True)
        difference = float((ours - y).abs().max() / y.abs().max())
        assert ours.dtype == y.dtype and ours.shape == y.shape and difference <= 1e-6, (name, difference)
        if name == "tied":
            tied = torch.load(place / "back_pt.pt")
            assert tied["decoder.weight"].data_ptr() == tied["embedding.weight"].data_ptr()


def test_optimizers_go_on_there_and_back(folder):
    makers = {
        "SGD": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        "Adam": lambda p: torch.optim.Adam(p, 0.01, betas=(0.8, 0.99), amsgrad=True),
        "AdamW": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1),
        "RMSprop": lambda p: torch.optim.RMSprop(p, 0.01, momentum=0.5, centered=True),
        "Adagrad": lambda p: torch.optim.Adagrad(p, 0.1, lr_decay=0.01),
    }
    for name, make in makers.items():
        place = folder / name
        place.mkdir()
        torch.manual_seed(3)
        net, x = mlp().double(), torch.randn(9, 6, dtype=torch.float64)
        optimizer = make(net.parameters())

        def train(steps):
            for _ in range(steps):
                optimizer.zero_grad()
                net(x).pow(2).mean().backward()
                optimizer.step()

        train(3)
        torch.save(net.state_dict(), place / "weights.pt")
        torch.save(optimizer.state_dict(), place / "optimizer.pt")
        torch.save(x, place / "input.pt")
        run_tool("optimizer", name, place)
        train(3)

        def check_near(state):
            for one, other in zip(net.state_dict().values(), state.values()):
                assert float((one - other).abs().max()) <= 1e-12, (name, one, other)

        trained = torch.load(place / "trained.pt", weights_only=True)
        check_near(trained)
        # PyTorch goes on from what Backflow has written.
        second = mlp().double()
        second.load_state_dict(trained)
        other = make(second.parameters())
        other.load_state_dict(torch.load(place / "trained_optimizer.pt"))
        groups = [{key: group[key] for key in one} for group, one in zip(optimizer.state_dict()["param_groups"], other.state_dict()["param_groups"])]
        for group, one in zip(groups, other.state_dict()["param_groups"]):
            assert all(one[key] == value for key, value in group.items()), (name, group, one)
        for _ in range(3):
            other.zero_grad()
            second(x).pow(2).mean().backward()
            other.step()
        train(3)
        check_near(second.state_dict())


def test_a_schedule_goes_on_there_and_back(folder):
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], 0.5)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 8, 0.01)
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    torch.save(scheduler.state_dict(), folder / "scheduler.pt")
    run_tool("scheduler", folder)
    for _ in range(2):
        optimizer.step()
        scheduler.step()
    ours, theirs = torch.load(folder / "back_scheduler.pt"), scheduler.state_dict()
    assert (ours["last_epoch"], ours["base_lrs"]) == (5, [0.5]), ours
    assert math.isclose(ours["_last_lr"][0], theirs["_last_lr"][0], rel_tol=1e-12), (ours, theirs)


def main():
    tests = {name[5:]: f for name, f in globals().items() if name.startswith("test_")}
    for name in sys.argv[1:] or list(tests):
        with tempfile.TemporaryDirectory(prefix="backflow-serialize-") as folder:
            tests[name](pathlib.Path(folder))
        print(f"ok {name}", flush=True)


if __name__ == "__main__":
    main()

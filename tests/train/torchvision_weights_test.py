"""Weights of torchvision's residual networks, as its files name them, in the models `resnet18` and `resnet50`.

torchvision itself is not needed: its modules are written out here, in PyTorch. Skipped without PyTorch.

usage: torchvision_weights_test.py [NAME...]  runs the tests of these names, or all.
"""
import sys

import numpy as np

from program import main, newest, run

try:
    import torch
    from torch import nn
except ModuleNotFoundError:
    print("skipped: PyTorch is not installed")
    sys.exit(77)

WIDTH = 8  # of the first stage, where torchvision's own have 64
MEANS, STDS = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
CONFIG = """name = "transfer"
seed = 1
[data]
format = "numpy"
train_file = "{folder}/x.npy"
train_targets_file = "{folder}/y.npy"
test_file = "{folder}/x.npy"
test_targets_file = "{folder}/y.npy"
means = {means}
stds = {stds}
[model]
name = "{model}"
stem = "imagenet"
width = {width}
[optimizer]
name = "sgd"
lr = 0.01
[train]
epochs = 0
batch_size = 5
"""


class Block(nn.Module):
    """torchvision's BasicBlock and Bottleneck."""

    def __init__(self, channels, width, stride, bottleneck):
        super().__init__()
        out = 4 * width if bottleneck else width
        sizes = [(channels, width, 1), (width, width, 3), (width, out, 1)] if bottleneck else [(channels, width, 3), (width, out, 3)]
        strided = 1 if bottleneck else 0
        self.n, self.relu, self.downsample = len(sizes), nn.ReLU(), None
        for i, (a, b, k) in enumerate(sizes):
            conv = nn.Conv2d(a, b, k, stride if i == strided else 1, k // 2, bias=False)
            setattr(self, f"conv{i + 1}", conv)
            setattr(self, f"bn{i + 1}", nn.BatchNorm2d(b))
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = x
        for i in range(1, self.n + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = self.relu(y) if i < self.n else y
        return self.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet(nn.Module):
    def __init__(self, bottleneck, blocks, classes):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, WIDTH, 7, 2, 3, bias=False), nn.BatchNorm2d(WIDTH)
        self.relu, self.maxpool = nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        channels = WIDTH
        for stage, count in enumerate(blocks):
            layers = []
            for i in range(count):
                layers.append(Block(channels, WIDTH << stage, 2 if stage > 0 and i == 0 else 1, bottleneck))
                channels = (WIDTH << stage) * (4 if bottleneck else 1)
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(channels, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


def network(bottleneck, blocks, classes):
    torch.manual_seed(1)
    net = ResNet(bottleneck, blocks, classes)
    with torch.no_grad():
        for _ in range(3):  # running statistics that are not those of the start
            net(torch.randn(8, 3, 64, 64))
    return net.eval()


def write_pictures(folder, model, classes):
    x = np.random.default_rng(1).random((5, 3, 64, 64)).astype("f4")
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", np.array([0, 1, 2, 3, classes - 1]))
    (folder / "config.toml").write_text(CONFIG.format(folder=folder, model=model, width=WIDTH, means=MEANS, stds=STDS))
    return torch.from_numpy((x - np.array(MEANS, "f4")[:, None, None]) / np.array(STDS, "f4")[:, None, None])


def test_all_weights_load_and_give_the_same_outputs(folder):
    for model, bottleneck, blocks in (("resnet18", False, [2, 2, 2, 2]), ("resnet50", True, [3, 4, 6, 3])):
        net = network(bottleneck, blocks, 20)
        names = list(net.state_dict())
        assert {"conv1.weight", "bn1.num_batches_tracked", "layer2.0.downsample.0.weight", "layer2.0.downsample.1.running_var",
                "layer4.1.conv2.weight", "fc.bias"} <= set(names)
        x = write_pictures(folder, model, 20)
        with torch.no_grad():
            wanted = net(x).softmax(1).numpy()
        for name, zipped in (("zip", True), ("legacy", False)):
            torch.save(net.state_dict(), folder / f"{name}.pth", _use_new_zipfile_serialization=zipped)
            out = folder / f"{model}-{name}"
            said = run("train", folder / "config.toml", "--init", folder / f"{name}.pth", "--out", out).stdout
            assert f"{name}.pth: {len(names)} tensors loaded, all that there are" in said, said
            run("predict", newest(out), "-o", folder / "p.npy")
            found = np.load(folder / "p.npy")
            assert found.shape == wanted.shape and abs(found - wanted).max() < 1e-5 * wanted.max(), (model, name)


def test_older_files_without_counters_of_batches_are_complete(folder):
    net = network(False, [2, 2, 2, 2], 20)
    torch.save({name: value for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")},
               folder / "old.pth", _use_new_zipfile_serialization=False)
    write_pictures(folder, "resnet18", 20)
    said = run("train", folder / "config.toml", "--init", folder / "old.pth", "--set", "init.strict=true", "--out",
               folder / "run").stdout
    assert "old.pth: 102 tensors loaded, all that there are" in said, said


def test_another_number_of_classes_leaves_the_last_layer_new(folder):
    net = network(False, [2, 2, 2, 2], 1000)
    torch.save(net.state_dict(), folder / "net.pth")
    write_pictures(folder, "resnet18", 7)
    said = run("train", folder / "config.toml", "--init", folder / "net.pth", "--out", folder / "run").stdout
    report = said[said.index("start from "):].splitlines()[:2]
    assert report == [f"start from {folder}/net.pth: 120 tensors loaded",
                      "  mismatched (2): fc.weight: f32[7, 64], in the file f32[1000, 64], fc.bias: f32[7], in the file f32[1000]"], said


if __name__ == "__main__":
    main(globals())

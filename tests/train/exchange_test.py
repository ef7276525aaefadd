"""Tensors between PyTorch, NumPy, h5py and `backflow convert` and `inspect`: names, dtypes and bits, in both directions.

Without PyTorch its part is left out, and the test says so.
"""
import json
import os
import struct
import warnings

import h5py
import numpy as np

from program import main, run

try:
    import torch
except ImportError:
    torch = None
    print("PyTorch is not installed: its files are not tested")

NUMPY_TYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


def read_safetensors(path):
    """Our own reader, after the format's description: names to (dtype, shape, bytes), and metadata."""
    raw = path.read_bytes()
    length, = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + length])
    metadata = header.pop("__metadata__", {})
    data = raw[8 + length:]
    return {name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
            for name, entry in header.items()}, metadata


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def arrays():
    """One array of each dtype, with extreme values, and an empty and a scalar one."""
    result = {}
    for code in NUMPY_TYPES:
        if code == "?":
            result[code] = np.array([[True, False], [False, True]])
        elif code[0] == "f":
            info = np.finfo(code)
            result[code] = np.array([[1.5, -0.0, np.inf], [np.nan, info.max, info.tiny / 2]], code)
        else:
            info = np.iinfo(code)
            result[code] = np.array([[info.min, info.max if code != "u8" else 2**63 - 1, 7]], code)
    result["empty"] = np.zeros((0, 3), "f4")
    result["scalar"] = np.array(2.5, "f8")
    return result


def wider(array):
    """What Backflow makes of a dtype that it lacks."""
    return array.astype({"i1": "i4", "u2": "i4", "i2": "i4", "u4": "i8", "u8": "i8", "f2": "f4"}
                        .get(array.dtype.str[1:], array.dtype))


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_numpy_arrays_of_every_dtype_and_order(folder):
    originals = arrays()
    for name, save in (("a.npz", np.savez), ("b.npz", np.savez_compressed)):
        save(folder / name, **{f"x{i}": x for i, x in enumerate(originals.values())})
        run("convert", folder / name, folder / ("c" + name))
        with np.load(folder / ("c" + name)) as back:
            for i, x in enumerate(originals.values()):
                assert same_bits(back[f"x{i}"], wider(x)), (name, x.dtype, back[f"x{i}"], wider(x))
    for x in originals.values():
        for variant in (x, np.asfortranarray(x) if x.ndim else x, x.astype(x.dtype.newbyteorder(">"))):
            np.save(folder / "x.npy", variant)
            run("convert", folder / "x.npy", folder / "y.npy", "--overwrite")
            assert same_bits(np.load(folder / "y.npy"), wider(x)), x.dtype
    np.save(folder / "o.npy", np.array([{}], object), allow_pickle=True)
    assert "Python objects" in run("inspect", folder / "o.npy", expect=1).stderr


def test_bfloat16_goes_through_numpy_archives(folder):
    write_safetensors(folder / "a.safetensors", {"w": ("BF16", [3], b"\x80\x3f\x01\x80\xc0\x7f")})
    run("convert", folder / "a.safetensors", folder / "b.npz")
    with np.load(folder / "b.npz") as back:
        assert back["w"].view("u2").tobytes() == b"\x80\x3f\x01\x80\xc0\x7f"
    run("convert", folder / "b.npz", folder / "c.safetensors")
    assert read_safetensors(folder / "c.safetensors")[0] == read_safetensors(folder / "a.safetensors")[0]


def test_safetensors_of_every_dtype(folder):
    codes = {"?": "BOOL", "u1": "U8", "i1": "I8", "u2": "U16", "i2": "I16", "u4": "U32", "i4": "I32", "u8": "U64",
             "i8": "I64", "f2": "F16", "f4": "F32", "f8": "F64"}
    originals = {code: x for code, x in arrays().items() if code in codes}
    write_safetensors(folder / "a.safetensors",
                      {code: (codes[code], list(x.shape), x.tobytes()) for code, x in originals.items()})
    run("convert", folder / "a.safetensors", folder / "b.safetensors")
    back, metadata = read_safetensors(folder / "b.safetensors")
    assert metadata == {"format": "pt"}
    assert list(back) == list(originals)
    names = {np.dtype(code).str[1:]: codes[code] for code in codes}
    for code, x in originals.items():
        assert back[code] == (names[wider(x).dtype.str[1:]], list(x.shape), wider(x).tobytes()), code
    listed = {t["name"]: t for t in json.loads(run("inspect", folder / "a.safetensors", "--json").stdout)["tensors"]}
    assert listed["f2"]["dtype"] == "float16" and listed["f2"]["nan"] == 1 and listed["f2"]["max"] == "Infinity"
    assert listed["u8"]["max"] == 2.0**63 and listed["i1"]["min"] == -128 and listed["i1"]["bytes"] == 3


def test_a_dump_is_what_h5py_reads(folder):
    np.savez(folder / "a.npz", **{"fc.weight": np.arange(6, dtype="f4").reshape(2, 3),
                                  "bn.running_mean": np.ones(2, "f4"), "bn.num_batches_tracked": np.array(3)})
    run("convert", folder / "a.npz", folder / "b.h5")
    with h5py.File(folder / "b.h5") as file:
        assert list(file["parameters"]) == ["fc.weight"]
        assert sorted(file["buffers"]) == ["bn.num_batches_tracked", "bn.running_mean"]
        assert file["parameters/fc.weight"][1, 2] == 5 and file["buffers/bn.num_batches_tracked"][()] == 3
    assert not run("inspect", folder / "a.npz", "--diff", folder / "b.h5").stdout


def test_convert_says_what_is_wrong(folder):
    np.savez(folder / "a.npz", x=np.ones(2, "f4"), y=np.zeros(2, "f4"))
    done = run("convert", folder / "a.npz", folder / "b.safetensors", "--rename", "s/^/net./", "--rename", "s/x/w/")
    assert done.stdout.endswith(" bytes, 2 renamed\n"), done.stdout
    assert list(read_safetensors(folder / "b.safetensors")[0]) == ["net.w", "net.y"]
    for words, error, code in (
            (("a.npz", "b.safetensors"), "b.safetensors: is there already: need another name, or --overwrite", 2),
            (("none.npz", "c.h5"), "none.npz: no such file: need a file of tensors, as model.safetensors", 2),
            (("a.npz", "c.txt"), "c.txt: unknown extension: need a name that ends with .h5, .safetensors, .npz, .npy, .pt or .pth", 2),
            (("a.npz", "c.h5", "--rename", "s/x/"), "--rename 's/x/': need 's/PATTERN/REPLACEMENT/' with all three '/'", 2),
            (("a.npz", "c.h5", "--rename", "s/x/y/"), "--rename: 'x' and 'y' both become 'y': need different names", 1),
            (("a.npz", "c.h5", "--dtype", "int8"), "--dtype: 'int8': need float16, bfloat16, float32 or float64", 2),
            (("a.npz", "."), ".: a directory: need the name of a file", 2)):
        done = run("convert", *words, expect=code, cwd=folder)
        assert done.stderr == f"backflow: error: {error}\n", done.stderr
    assert sorted(os.listdir(folder)) == ["a.npz", "b.safetensors"]


def test_diff_with_a_tolerance(folder):
    np.savez(folder / "a.npz", x=np.array([1, 2, 3], "f4"))
    np.savez(folder / "b.npz", x=np.array([1, 2.001, 3], "f8"))
    a, b = folder / "a.npz", folder / "b.npz"
    assert run("inspect", a, "--diff", b, expect=1).stdout == "x: dtypes float32 and float64\n"
    assert run("inspect", a, "--diff", b, "--tolerance", "0.0001", expect=1).stdout == (
        "x: 1 element differs, by at most 0.001\n")
    assert not run("inspect", a, "--diff", b, "--tolerance", "0.01").stdout
    report = json.loads(run("inspect", a, "--diff", b, "--tolerance", "0", "--json", expect=1).stdout)
    assert not report["equal"] and report["differences"][0]["elements"] == 1
    assert "requires --diff" in run("inspect", a, "--tolerance", "1", expect=2).stderr


# ---- PyTorch ----

def networks():
    """Models whose dictionaries have all that there is: normalization, embeddings, tied weights, scalars, bfloat16."""
    tied = torch.nn.ModuleDict({"embedding": torch.nn.Embedding(11, 6), "head": torch.nn.Linear(6, 11, bias=False)})
    tied["head"].weight = tied["embedding"].weight
    odd = torch.nn.Module()
    odd.register_buffer("scalar", torch.tensor(2.5, dtype=torch.float64))
    odd.register_buffer("empty", torch.zeros(0, 3))
    odd.register_buffer("turned", torch.arange(6.0).reshape(2, 3).t())
    odd.register_buffer("slice", torch.arange(10)[2:5])
    odd.register_buffer("truth", torch.tensor([True, False]))
    odd.register_buffer("bytes", torch.tensor([0, 255], dtype=torch.uint8))
    odd.register_buffer("int", torch.tensor([-2**31], dtype=torch.int32))
    odd.weight = torch.nn.Parameter(torch.randn(3))
    return {
        "linear": torch.nn.Linear(4, 3),
        "mlp": torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2)),
        "convolution": torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4)),
        "norms": torch.nn.ModuleList([torch.nn.LayerNorm(4), torch.nn.GroupNorm(2, 4), torch.nn.BatchNorm1d(4)]),
        "embedding": torch.nn.Embedding(7, 3, padding_idx=0),
        "tied": tied,
        "lstm": torch.nn.LSTM(3, 4, 2, bidirectional=True),
        "gru": torch.nn.GRU(3, 4),
        "attention": torch.nn.MultiheadAttention(4, 2),
        "transformer": torch.nn.TransformerEncoderLayer(4, 2, 8),
        "bfloat16": torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3)).bfloat16(),
        "odd": odd,
    }


def same_dictionary(a, b):
    return list(a) == list(b) and all(
        x.dtype == y.dtype and x.shape == y.shape and
        x.contiguous().view(-1).view(torch.uint8 if x.dtype != torch.bool else torch.bool).equal(
            y.contiguous().view(-1).view(torch.uint8 if y.dtype != torch.bool else torch.bool))
        if x.numel() and x.dim() else x.shape == y.shape and x.dtype == y.dtype and torch.equal(x, y)
        for x, y in zip(a.values(), b.values()))


def load(path):
    try:
        return torch.load(path, weights_only=True)
    except TypeError:  # before PyTorch 1.13
        return torch.load(path)


def test_torch_networks_come_back_through_every_format(folder):
    if not torch:
        return
    torch.manual_seed(1)
    for name, net in networks().items():
        state = net.state_dict()
        torch.save(state, folder / f"{name}.pt")
        for extension in ("pt", "pth", "safetensors", "npz", "h5"):
            there, back = folder / f"{name}-there.{extension}", folder / f"{name}-{extension}-back.pt"
            run("convert", folder / f"{name}.pt", there)
            run("convert", there, back)
            loaded = load(back)
            if extension == "h5":  # parameters before buffers in each module, as PyTorch has them too unless it mixes
                loaded = {key: loaded[key] for key in state}
            assert same_dictionary(loaded, state), (name, extension, list(loaded), list(state))
            net.load_state_dict(loaded)
    again = load(folder / "tied-pt-back.pt")
    assert again["head.weight"].data_ptr() == again["embedding.weight"].data_ptr()


def test_torch_dtypes(folder):
    if not torch:
        return
    wide = {torch.int8: torch.int32, torch.int16: torch.int32, torch.float16: torch.float32}
    kinds = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
             torch.float32, torch.float64]
    state = {str(kind): torch.tensor([0, 1, 100]).to(kind) for kind in kinds}
    state["nan"] = torch.tensor([float("nan"), float("inf"), -0.0])
    for protocol, zipped in ((2, True), (4, True), (2, False)):
        torch.save(state, folder / "a.pt", pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
        run("convert", folder / "a.pt", folder / "b.pt", "--overwrite")
        loaded = load(folder / "b.pt")
        assert list(loaded) == list(state)
        for key, x in state.items():
            expected = x.to(wide.get(x.dtype, x.dtype))
            assert loaded[key].dtype == expected.dtype and loaded[key].numpy(force=True).tobytes() == \
                expected.numpy(force=True).tobytes() if x.dtype != torch.bfloat16 else torch.equal(loaded[key], x), key
    run("convert", folder / "a.pt", folder / "half.pt", "--dtype", "float16")
    assert load(folder / "half.pt")["torch.float64"].dtype == torch.float16


def test_torch_checkpoints(folder):
    if not torch:
        return
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    for zipped in (True, False):
        torch.save({"epoch": 3, "best": 0.5, "state_dict": net.state_dict(), "optimizer": optimizer.state_dict()},
                   folder / "a.pth", _use_new_zipfile_serialization=zipped)
        run("convert", folder / "a.pth", folder / "b.safetensors", "--overwrite")
        tensors, metadata = read_safetensors(folder / "b.safetensors")
        assert list(tensors) == list(net.state_dict())
        assert metadata == {"epoch": "3", "best": "0.5", "format": "pt"}, metadata
        moments = json.loads(run("inspect", folder / "a.pth", "--key", "optimizer", "--json").stdout)
        assert "state.0.exp_avg" in [t["name"] for t in moments["tensors"]]
    torch.save({"a": net.state_dict(), "b": net.state_dict()}, folder / "c.pt")
    assert "need to know which of 'a', 'b'; hint: --key NAME" in run("inspect", folder / "c.pt", expect=1).stderr
    assert "1.running_mean" in run("inspect", folder / "c.pt", "--key", "b").stdout


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_torch_files_that_are_refused(folder):
    if not torch:
        return
    torch.save({"w": torch.ones(1), "x": Evil(folder / "executed")}, folder / "evil.pt")
    torch.save({"w": torch.ones(1), "x": Evil(folder / "executed")}, folder / "old.pt",
               _use_new_zipfile_serialization=False)
    for name in ("evil.pt", "old.pt"):
        error = run("inspect", folder / name, expect=1).stderr
        assert "system' is not allowed, since calling it could run code" in error, error
        assert not (folder / "executed").exists()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(torch.nn.Linear(2, 2), folder / "module.pt")
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(folder / "script.pt"))
    assert "'torch.nn.modules.linear.Linear' is not allowed" in run("inspect", folder / "module.pt", expect=1).stderr
    # Of what holds code beside the weights, as libtorch's own files do, the weights are read.
    assert "2 tensors" in run("inspect", folder / "script.pt").stdout
    torch.save(torch.ones(2).expand(1000, 2), folder / "list.pt")
    assert "need the pickle of a state dictionary" in run("inspect", folder / "list.pt", expect=1).stderr


if __name__ == "__main__":
    main(globals())

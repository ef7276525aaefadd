"""Wrong configurations and wrong data, each with what the program says of it. Data: wrong_data.py.

A case is (base, old, new, words): `new` takes the place of `old` in the base, and § in it marks the place of the error,
line and column. A case of data names the file and the record instead: (base, old, new, place, words).
"""
IDX = """name = "t"
[data]
directory = "{data}"
[model]
hidden = [4]
[optimizer]
lr = 0.1
[train]
epochs = 2
batch_size = 8
"""
REST = "[model]" + IDX.split("[model]")[1]
CSV = f"""name = "t"
[data]
format = "csv"
directory = "{{data}}"
train_file = "t.csv"
target_columns = ["y"]
ignore_columns = ["word"]
validation = 0.2
{REST}"""
H5 = CSV.replace('"csv"', '"hdf5"').replace("t.csv", "d.h5").replace('target_columns = ["y"]\nignore_columns = ["word"]\n', "")
NPY = H5.replace('"hdf5"', '"numpy"').replace('"d.h5"', '"x.npy"\ntrain_targets_file = "y.npy"')
NPZ = H5.replace('"hdf5"', '"numpy"').replace("d.h5", "d.npz")
IMAGES = f"""name = "t"
[data]
format = "images"
directory = "{{data}}"
train_folder = "pictures"
height = 8
width = 8
{REST}"""
TEXT = f"""name = "t"
[data]
format = "text"
directory = "{{data}}"
train_file = "text.txt"
length = 4
[model]
layers = [{{type = "embedding", num_embeddings = 256, embedding_dim = 4}}, {{type = "linear", out_features = 256}}]
[optimizer]{REST.split("[optimizer]")[1]}"""
SYNTHETIC = f"""name = "t"
[data]
format = "synthetic"
generator = "digits"
samples = 20
test_samples = 10
size = 8
{REST}"""
CIFAR = f"""name = "t"
[data]
format = "cifar10"
directory = "{{data}}/cifar"
{REST}"""
END = "batch_size = 8\n"


def layers(*lines):
    return "layers = [" + ", ".join(lines) + "]"


TYPOS = [
    (IDX, 'name = "t"', 'name = "t"\n§sed = 1', "did you mean 'seed'?"),
    (IDX, 'directory', '§dirctory', "did you mean 'directory'?"),
    (IDX, '[model]', '[data.augment]\n§filp = true\n[model]', "did you mean 'flip'?"),
    (IDX, '[data]', '[§daat]', "did you mean [data]?"),
    (IDX, '[model]', '[model]\nname = "mlp"\n§activaton = "relu"', "did you mean 'activation'?"),
    (IDX, 'hidden = [4]', 'layers = [{type = "linear", out_features = 3, §bais = false}]', "did you mean 'bias'?"),
    (IDX, 'lr = 0.1', 'lr = 0.1\n§momentun = 0.9', "did you mean 'momentum'?"),
    (IDX, 'lr = 0.1', 'lr = 0.1\n[[optimizer.groups]]\n§macth = ["*"]', "did you mean 'match'?"),
    (IDX, 'epochs', '§epoch', "did you mean 'epochs'?"),
    (IDX, END, END + '[distributed]\n§reducton = "fast"', "did you mean 'reduction'?"),
    (IDX, END, END + '[checkpoint]\n§every_step = 3', "did you mean 'every_steps'?"),
    (IDX, END, END + '[task]\n§los = "mse"', "did you mean 'loss'?"),
    (IDX, END, END + '[schedule]\n§warm_up = 1', "did you mean 'warmup'?"),
    (IDX, END, END + '[evaluation]\n§every_epoch = 1', "did you mean 'every_epochs'?"),
    (IDX, END, END + '[early_stopping]\n§patients = 3', "did you mean 'patience'?"),
    (IDX, END, END + '[ema]\n§decai = 0.9', "did you mean 'decay'?"),
    (IDX, END, END + '[init]\n§fiel = "a.h5"', "did you mean 'file'?"),
    (IDX, END, END + '[log]\n§tensorbord = true', "did you mean 'tensorboard'?"),
    (IDX, END, END + '[sweep]\n§sett = ["seed=1,2"]', "did you mean 'set'?"),
    (CSV.replace('[data]', '§[data]'), 'target_columns', 'target_colums', "is it 'target_colums' at x.toml:6:1?"),
    (IMAGES.replace('[data]', '§[data]'), 'height', 'heigth', "is it 'heigth' at x.toml:6:1?"),
    (SYNTHETIC, 'samples', '§smaples', "did you mean 'samples'?"),
]
TYPES = [
    (IDX, '"t"', '§3', "is an integer: need a string"),
    (IDX, 'epochs = 2', 'epochs = §1.5', "is a float: need an integer"),
    (IDX, 'epochs = 2', 'epochs = §"1"', "is a string: need an integer"),
    (IDX, 'epochs = 2', 'epochs = §2000-01-01', "is a date"),
    (IDX, 'lr = 0.1', 'lr = §true', "is a boolean: need a number"),
    (IDX, 'hidden = [4]', 'hidden = §4', "need an integer from 1 to 16777216 for each element of an array"),
    (IDX, 'hidden = [4]', 'hidden = [§"4"]', "is a string"),
    (IDX, 'hidden = [4]', 'hidden = [4, §[5]]', "is an array"),
    (IDX, END, END + 'drop_last = §1', "is an integer: need"),
    (IDX, 'name = "t"', 'name = "t"\nema = §3', "need a table"),
    (IDX, 'hidden = [4]', 'layers = §3', "need"),
    (IDX, 'hidden = [4]', 'layers = [§3]', "need"),
    (CSV, '["y"]', '§"y"', "is a string: need an array"),
    (CSV, '["y"]', '[§1]', "is an integer: need"),
    (IDX, 'lr = 0.1', 'name = §["sgd"]', "is an array"),
]
RANGES = [
    (IDX, 'name = "t"', 'name = "t"\nseed = §-1', "need an integer of at least 0"),
    (IDX, 'epochs = 2', 'epochs = §-1', "need an integer from 0"),
    (IDX, 'batch_size = 8', 'batch_size = §0', "need an integer"),
    (IDX, 'lr = 0.1', 'lr = §-1', "need a number of at least 0 (learning rate)"),
    (IDX, 'lr = 0.1', 'lr = §nan', "need"),
    (IDX, 'lr = 0.1', 'lr = §inf', "need"),
    (IDX, 'lr = 0.1', 'lr = 0.1\nmomentum = §-0.5', "need a number"),
    (IDX, 'hidden = [4]', 'hidden = [§0]', "need an integer"),
    (IDX, 'hidden = [4]', 'hidden = [4]\ndropout = §1.5', "need a number"),
    (IDX, END, END + '[ema]\ndecay = §1.0', "below 1"),
    (IDX, END, END + '[early_stopping]\npatience = §-2', "need an integer of at least 0"),
    (IDX, END, END + '[checkpoint]\nkeep_last = §0', "need an integer of at least 1"),
    (IDX, END, END + '[distributed]\nshards = §0', "need an integer from 1"),
    (IDX, END, END + '[distributed]\ntimeout_s = §0', "need a number"),
    (IDX, END, END + '[task]\nlabel_smoothing = §2', "need a number"),
    (IDX, END, END + '[sweep]\neta = §1', "need an integer from 2"),
    (CSV, 'validation = 0.2', 'validation = §0.95', "at most 0.9"),
    (CSV, 'validation = 0.2', 'validation = 0.2\nstd = §0', "need a number"),
    (IMAGES, 'width = 8', 'width = §0', "need an integer from 1 to 16384"),
    (SYNTHETIC, 'size = 8', 'size = §4', "need an integer from 8"),
    (SYNTHETIC, 'samples = 20', 'samples = §0', "need an integer from 1"),
    (IDX, '[model]', '[data.augment]\nrotate = §200\n[model]', "at most 180"),
]
CHOICES = [
    (IDX, '[data]', '[data]\nformat = §"cvs"', 'did you mean "csv"?'),
    (IDX, 'lr = 0.1', 'name = §"adma"', 'did you mean "adam"?'),
    (IDX, 'hidden = [4]', 'name = §"resnet8"', "need"),
    (IDX, 'hidden = [4]', 'layers = [{type = §"linar"}]', 'did you mean "linear"?'),
    (IDX, END, END + '[schedule]\nname = §"cosin"', 'did you mean "cosine"?'),
    (IDX, END, END + '[distributed]\nreduction = §"exact"', '"reproducible"'),
    (IDX, END, END + 'dtype = §"float16"', '"float32"'),
    (IDX, END, END + '[task]\nname = §"clasification"', 'did you mean "classification"?'),
    (CSV, 'validation = 0.2', 'validation = 0.2\nseparator = §"::"', "need"),
    (CSV, 'validation = 0.2', 'validation = 0.2\nmissing = §"zero"', "need"),
    (CSV, 'validation = 0.2', 'validation = 0.2\nnormalize = §"yes"', "need"),
    (SYNTHETIC, '"digits"', '§"digit"', 'did you mean "digits"?'),
    (IDX, END, END + '[sweep]\ngoal = §"best"', "need"),
]
# What several keys say together.
TOGETHER = [
    (IDX, 'lr = 0.1', 'lr = 0.1\n§betas = [0.9, 0.9]', 'it is a key of name = "adam" or "adamw", not of "sgd"'),
    (IDX, 'lr = 0.1', 'name = "adam"\nbetas = §[0.9]', "need two"),
    (IDX, 'lr = 0.1', 'lr = 0.1\nnesterov = §true', "need a momentum above 0"),
    (IDX, END, END + '[distributed]\ncompression = §"bf16"\nreduction = "reproducible"', '"none" here'),
    (IDX, END, END + '[distributed]\nshard_optimizer = §true\nreduction = "reproducible"', "false here"),
    (IDX, END, END + '[distributed]\nbatch_norm = §"sync"\nreduction = "reproducible"', '"local" here'),
    (IDX, END, END + 'dtype = "float64"\n[distributed]\ncompression = §"bf16"', "need train.dtype"),
    (IDX, END, END + '[checkpoint]\non_error = §"ignore"', 'need "stop" or "warn"'),
    (IDX, END, END + '[checkpoint]\nevery_minutes = §-1', "'every_minutes' in [checkpoint] is -1"),
    (IDX, END, END + '[checkpoint]\nasync = §1', "'async' in [checkpoint] is"),
    (IDX, END, END + '[distributed]\ncompression = §"powersgd"\nshard_optimizer = true', "one of the two"),
    (IDX, 'batch_size = 8', 'batch_size = §100\ndrop_last = true', "need at most 60"),
    (IDX, END, END + '[early_stopping]\npatience = 2\nmetric = §"acuracy"', 'no metric of the task "classification"'),
    (IDX, END, END + '[checkpoint]\nbest = §"r2"', 'no metric of the task "classification"'),
    (IDX, END, END + '[schedule]\nname = "plateau"\nmetric = §"f2"', "no metric of the task"),
    (SYNTHETIC.replace("test_samples = 10", "test_samples = 0"), END, END + '[checkpoint]\nbest = §"loss"', "neither validation nor test data"),
    (IDX, END, END + '[schedule]\nname = "cosine"\nwarmup = §9', "need a shorter warm-up or a longer run"),
    (IDX, END, END + '[schedule]\nname = "step"\n', "missing key 'step_size'"),
    (IDX, END, END + '[schedule]\n§gamma = 0.5', "it is a key of name"),
    (IDX, END, END + '[task]\nname = §"regression"', "the targets of the data are class"),
    (IDX, END, END + '[task]\nloss = §"mse"', 'need "cross_entropy"'),
    (IDX, END, END + '[task]\nthreshold = §0.3', 'has no meaning for a task "classification"'),
    (IDX, END, END + '[task]\nname = §"gan"', "need a model with a generator"),
    (IDX, END, END + '[task]\ntop_k = [1, §4]', "there are 3 classes: need at most as many"),
    (IDX, END, END + '[task]\ntop_k = [1, 2, §1]', "has 1 twice"),
    (CSV, END, END + '[task]\nlabel_smoothing = §0.1', 'has no meaning for a task "regression"'),
    (IDX, 'lr = 0.1', 'lr = 0.1\ngroups = [{match = §["conv*"]}]', "takes no parameter"),
    (IDX, 'lr = 0.1', 'lr = 0.1\ngroups = [{match = ["*"], frozen = §true}]', "no parameter is left to train"),
    (IDX, '[model]', 'sampling = "classes"\nclass_weights = §[1, 2]\n[model]', "need 3, one for each class"),
    (IDX, '[model]', 'sampling = "classes"\nclass_weights = §[0, 0, 0]\n[model]', "need a finite sum above 0"),
    (CSV, 'validation = 0.2', 'validation = 0.2\nsampling = §"balanced"', "need classes"),
    (IDX, '[model]', '§class_weights = [1, 2, 3]\n[model]', 'it is a key of sampling = "classes"'),
    (IDX, '[model]', 'means = [0.5]\nstds = §[0.5, 0.2]\n[model]', "need as many of both"),
    (IDX, '[model]', 'means = §[0.5, 0.5]\nstds = [0.5, 0.2]\n[model]', "need one for each channel"),
    (IDX, '[model]', 'normalize = "auto"\n§mean = 0.5\n[model]', 'it is a key of normalize = "given"'),
    (CSV, '[model]', '[data.augment]\nflip = §true\n[model]', "need pictures"),
    (IDX, '[model]', '[data.augment]\ncutout = §9\n[model]', "at most 8 pixels"),
    (TEXT, '[model]', '[data.augment]\nnoise = §0.1\n[model]', "these are tokens"),
    (CSV, 'validation = 0.2', 'validation = §0.2\nvalidation_file = "t.csv"', "and a file of validation data too"),
    (CSV, '["y"]', '§["y", "y"]', "twice: need each column once"),
    (CSV, '["word"]', '§["word", "y"]', "of target_columns or category_columns"),
    (CSV, '["y"]', '§[]', "need a column"),
    (CSV, '["y"]', '["y", §"z"]', "no column 'z' in"),
    (CSV, '["word"]', '["word", §"aa"]', "did you mean 'a'?"),
    (CSV, '["word"]', '§["word", "a", "b"]', "is left as a feature"),
    (CSV, 'validation = 0.2', 'validation = 0.2\nmissing = "fill"\nfill_values = §[1, 2, 3]', "need one, or 2"),
    (TEXT, 'length = 4', 'length = §400', "need at most"),
    (TEXT, 'length = 4', 'length = 4\ntarget = §"class"', "is its next byte"),
    (CSV, 'validation = 0.2', 'validation = §0.001', "need at least one in each of the two parts"),
]
MODELS = [
    (IDX, '[model]\nhidden = [4]', '§[model]\nname = "layers"', "no layers"),
    (IDX, 'hidden = [4]', layers('{type = "flatten"}', '§{type = "linear"}'), "missing key 'out_features'"),
    (IDX, 'hidden = [4]', layers('{type = §"conv2d", out_channels = 2, kernel_size = 99}'), "conv2d"),
    (IDX, 'hidden = [4]', layers('{type = "flatten"}', '{type = "linear", in_features = §63, out_features = 3}'), "64"),
    (IDX, 'hidden = [4]', layers('{type = "flatten"}', '{type = §"conv2d", out_channels = 2, kernel_size = 3}'), "conv2d"),
    (IDX, 'hidden = [4]', layers('{type = "flatten"}', '{type = §"linear", out_features = 5}'), "5"),
    (IDX, 'hidden = [4]', layers('{use = §"blok"}'), "blok"),
    (IDX, 'hidden = [4]', layers('{type = "flatten"}', '{type = "linear", out_features = 3}', '{type = "dropout", p = §1.5}'), "need a number"),
    (CSV, 'hidden = [4]', 'name = §"resnet18"', "need"),
    (CSV, 'hidden = [4]', 'name = §"lenet"', "need"),
    (IDX, 'hidden = [4]', 'name = "resnet18"\n§hidden = [4]', "it is a key of name"),
]
FILES = [
    (IDX, '[train]', '[train', "not TOML"),
    (IDX, 'epochs = 2', 'epochs = 2\nepochs = 3', "not TOML"),
    (IDX, '"t"', '"t', "not TOML"),
    (IDX, '"{data}"', '§"${BACKFLOW_NO_SUCH_VARIABLE}"', "is not set"),
    (IDX, '"{data}"', '§"${"', "without '}'"),
    (IDX, '"t"', '§"a/b"', "a name that a directory can have"),
    (IDX, 'name = "t"', 'include = "none.toml"\nname = "t"', "included at"),
    (IDX, 'name = "t"', 'include = §"x.toml"\nname = "t"', "includes itself"),
    (IDX, 'name = "t"', 'include = §3\nname = "t"', "need the name of a file"),
    (CSV, '"t.csv"', '§"none.csv"', "no such file"),
    (CSV, 'validation = 0.2', 'validation_file = §"none.csv"', "no such file"),
    (CSV, 'validation = 0.2', 'test_file = §"none.csv"', "no such file"),
    (CSV, 'validation = 0.2', 'validation = 0.2\nsampling = "file"\nweights_file = §"none.csv"', "no such file"),
    (NPY, '"y.npy"', '§"none.npy"', "no such file"),
    (NPY, 'train_targets_file = "y.npy"\n', '', "need a .npy file of targets"),
    (IMAGES, '"pictures"', '§"none"', "no such folder"),
    (CIFAR, '"{data}/cifar"', '§"/nowhere"', "no such folder"),
    (IDX, END, END + '[init]\nfile = §"none.h5"', "no such file"),
]
# Exit code 1: data that are damaged or do not fit each other, with the record.
DATA = [
    (CSV, 't.csv', 'empty.csv', "data/empty.csv", "no records"),
    (CSV, 't.csv', 'header.csv', "data/header.csv", "no records"),
    (CSV, 't.csv', 'short.csv', "data/short.csv:3", "3 cells: need 4"),
    (CSV, 't.csv', 'word.csv', "data/word.csv:3", "column 'b' has 'x'"),
    (CSV, 't.csv', 'missing.csv', "data/missing.csv:3", "column 'b' has no value"),
    (CSV, 't.csv', 'no_target.csv', "data/no_target.csv:3", "column 'y' has no value"),
    (CSV, 't.csv', 'infinite.csv', "data/infinite.csv:3", "column 'b' has 'inf'"),
    (CSV, 't.csv', 'open_quote.csv', "data/open_quote.csv:2", "quote"),
    (CSV, 't.csv', 'two_names.csv', "data/two_names.csv:1", "two columns are called 'a'"),
    (CSV, 't.csv', 'no_name.csv', "data/no_name.csv:1", "has no name"),
    (CSV, 't.csv', 'nul.csv', "data/nul.csv", "NUL"),
    (CSV, 'validation = 0.2', 'test_file = "other.csv"', "data/other.csv", "its columns are not those of"),
    (CSV, '["y"]', '["y"]\ntarget = "class"', "data/t.csv", "sample 0, counted from 0, has the label"),
    (CSV, '["y"]', '["y"]\ntarget = "labels"', "data/t.csv", "need 0 or 1"),
    (IDX, '[model]', 'train_images = "cut"\n[model]', "data/cut", "truncated"),
    (IDX, '[model]', 'train_images = "none.idx"\n[model]', "data/none.idx", "not an IDX file"),
    (IDX, '[model]', 'train_images = "t10k-images-idx3-ubyte.gz"\n[model]', "data/train-labels-idx1-ubyte.gz", "60 classes for 20 samples"),
    (IDX, '[model]', 'train_labels = "train-images-idx3-ubyte.gz"\n[model]', "data/train-images-idx3-ubyte.gz", "need one class for each sample"),
    (IDX, '[model]', 'test_labels = "nine"\n[model]', "data/nine", "sample 7, counted from 0, has the label 9"),
    (IDX, '[model]', 'test_images = "wide"\n[model]', "data/wide", "need one shape"),
    (H5, 'd.h5', 'none_x.h5', "data/none_x.h5", "x"),
    (H5, 'd.h5', 'no_y.h5', "data/no_y.h5", "y"),
    (H5, 'd.h5', 'scalar.h5', "data/scalar.h5", "x"),
    (H5, 'd.h5', 'text.h5', "data/text.h5", "x"),
    (H5, 'd.h5', 'lengths.h5', "data/lengths.h5", "7 targets for 40 samples"),
    (H5, 'd.h5', 'text.txt', "data/text.txt", "signature"),
    (NPY, 'x.npy', 'complex.npy', "data/complex.npy", "complex"),
    (NPY, 'x.npy', 'objects.npy', "data/objects.npy", "object"),
    (NPY, 'x.npy', 'scalar.npy', "data/scalar.npy", "need a row for each sample"),
    (NPY, 'x.npy', 'cut.npy', "data/cut.npy", "bytes"),
    (NPY, 'x.npy', 'text.txt', "data/text.txt", "npy"),
    (NPY, 'y.npy', 'y7.npy', "data/y7.npy", "7 targets for 40 samples"),
    (NPY, 'y.npy', 'nan.npy', "data/nan.npy", "sample 3, counted from 0, has the target nan"),
    (NPY, 'validation = 0.2', 'test_file = "x5.npy"\ntest_targets_file = "y.npy"', "data/x5.npy", "need one shape"),
    (NPZ, 'd.npz', 'no_x.npz', "data/no_x.npz", "no array 'x': need one of its arrays: y"),
    (NPZ, 'd.npz', 'text.npz', "data/text.npz", "zip"),
    (IMAGES, '"pictures"', '"no_png"', "data/no_png/a/1.png", "neither"),
    (IMAGES, '"pictures"', '"cut_png"', "data/cut_png/a/1.png", ""),
    (IMAGES, '"pictures"', '"flat"', "data/flat", "no folders in it"),
    (IMAGES, '"pictures"', '"empty_class"', "data/empty_class", "class 'b' has no pictures"),
    (CIFAR, '/cifar', '/cut_cifar', "data/cut_cifar/data_batch_1.bin", "record 1 has"),
    (CIFAR, '/cifar', '/label_cifar', "data/label_cifar/data_batch_1.bin", "record 0 has the label 77"),
    (TEXT, 'text.txt', 'empty.csv', "data/empty.csv", "no bytes"),
    (IDX, '[model]', 'sampling = "file"\nweights_file = "short.csv"\n[model]', "data/short.csv", "need"),
    (IDX, '[model]', 'sampling = "file"\nweights_file = "negative.npy"\n[model]', "data/negative.npy", "record 5 has the weight -1"),
]

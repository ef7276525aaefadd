#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <backflow/runtime/tensor/tensor.h>

namespace backflow::io {

/// Tensors under the names that PyTorch's state_dict gives them, as "layers.0.weight".
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// The contents of a dump: what is needed to evaluate a model, and to resume its training.
struct Dump {
  NamedTensors parameters;
  NamedTensors buffers;
  NamedTensors optimizer;
  NamedTensors trained;  ///< parameters and buffers of training, where those above are averages over steps; else empty
  NamedTensors loop;     ///< numbers that the training loop goes on from, as "early_stopping.bad"
  std::int64_t step = 0;
  std::int64_t epoch = 0;                       ///< epochs that have been evaluated
  std::int64_t sampler_epoch = -1;              ///< the epoch whose samples are being used; -1: unknown
  std::int64_t sampler_position = 0;            ///< number of samples of that epoch that are done
  std::string config;                           ///< TOML text
  std::string train_data;                       ///< description of the training data, with a digest; may be empty
  std::string test_data;                        ///< likewise
  std::map<std::string, std::string> versions;  ///< of the libraries that made it, as {"onednn", "2.6.3"}
  std::map<std::string, std::string> metadata;  ///< text that other formats had, as {"author", "..."}
};

/// Starts HDF5; a second call does nothing. A program that uses MPI calls this before MPI_Init. Started later, a
/// parallel HDF5 makes MPI calls on the thread that first reads or writes a dump, and shuts down inside MPI_Finalize.
/// Started before, it makes none. Throws Error. Thread-safe.
void start_hdf5();

/// Writes `dump` to an HDF5 file that h5py, h5dump and h5ls read:
///
///   /parameters/<name>, /buffers/<name>, /optimizer/<name>   a dataset for each tensor, row-major and little-endian
///   /trained/<name>, /loop/<name>                            likewise; these groups are left out when empty
///   attributes of /          format_version (2 with /trained, which a reader must know, else 1), step, epoch, config;
///   sampler_epoch and sampler_position if known;
///                            train_data and test_data unless they are empty
///   attributes of /versions  one text for each library
///   attributes of /metadata  one text for each key; no such group when there are none
///
/// Dtypes of datasets: float32, float64, int64, int32, uint8, bool (h5py's enumeration FALSE, TRUE of int8), bfloat16
/// (its bits as uint16, with the attribute `dtype` "bfloat16"). The attribute `checksum` is the CRC-32 of the bytes
/// (`checksum_kind` "crc32").
///
/// The first 512 bytes are HDF5's user block: text with the file's length and the CRC-32 of all that follows, so that
/// read_dump() can refuse a damaged file before HDF5 sees it.
///
/// The file is written in full or not at all (see AtomicFile). Tensors may be strided; they are written as values, off
/// the tape. Peak memory is twice the tensors' bytes: the file's image is made in memory. Throws Error for undefined
/// tensors, names that are empty, repeated, "." or contain '/', and for a file that cannot be written. Thread-safe; one
/// dump is made at a time.
void write_dump(const std::string& path, const Dump& dump);

/// Reads a dump, or an HDF5 file of that layout from another program. Only /parameters is required then, and digest and
/// checksums are verified if present. Tensors come in the order written, or by name if the file does not keep an order.
/// Throws Error for a file that is no dump, damaged, from a newer format, or holds links, groups or dtypes that a dump
/// cannot hold. Thread-safe; one dump is read at a time.
Dump read_dump(const std::string& path);

}  // namespace backflow::io

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <backflow/exchange/tensor_format.h>
#include <backflow/runtime/tensor/tensor.h>

namespace backflow::io {

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
  /// Of a dump that is read: float16 or bfloat16 where parameters were stored so, and have lost digits. write_dump()
  /// does not look at it.
  std::optional<ElementType> reduced_to = {};
};

/// A group of tensors in the file, and where a Dump has them.
struct DumpGroup {
  const char* name;
  NamedTensors Dump::*tensors;
};
inline constexpr DumpGroup kDumpGroups[] = {{"parameters", &Dump::parameters},
                                            {"buffers", &Dump::buffers},
                                            {"optimizer", &Dump::optimizer},
                                            {"trained", &Dump::trained},
                                            {"loop", &Dump::loop}};

/// Starts HDF5; a second call does nothing. A program that uses MPI calls this before MPI_Init. Started later, a
/// parallel HDF5 makes MPI calls on the thread that first reads or writes a dump, and shuts down inside MPI_Finalize.
/// Started before, it makes none. Throws Error. Thread-safe.
void start_hdf5();

enum class DumpCompression : std::uint8_t { None, Gzip };

struct DumpOptions {
  /// Gzip: the bytes of elements are shuffled and compressed, by HDF5's own filters, which h5py undoes. Tensors of less
  /// than 4 KiB stay as they are. The compressed tensors are kept in memory until they are written.
  DumpCompression compression = DumpCompression::None;
  int gzip_level = 4;                                ///< from 0 to 9
  std::int64_t chunk_bytes = std::int64_t{1} << 20;  ///< that are compressed at a time
  /// How floating-point tensors are stored, each in its own dtype unless given; but for the optimizer's and the loop's.
  /// float16 and bfloat16 make small files to hand on; float16 is read back as float32.
  std::optional<ElementType> floating_point = {};
};

/// Writes `dump` to an HDF5 file that h5py, h5dump and h5ls read; docs/file_format.md has every byte:
///
///   /parameters/<name>, /buffers/<name>, /optimizer/<name>   a dataset for each tensor, row-major and little-endian
///   /trained/<name>, /loop/<name>                            likewise; these groups are left out when empty
///   attributes of /          format_version (3), step, epoch, config; sampler_epoch and sampler_position if known;
///                            train_data and test_data unless they are empty
///   attributes of /versions  one text for each library
///   attributes of /metadata  one text for each key; no such group when there are none
///   /texts                   texts of more than 60,000 bytes
///
/// Dtypes of datasets: float32, float64, int64, int32, uint8, bool (h5py's enumeration FALSE, TRUE of int8), bfloat16
/// (its bits as uint16, with the attribute `dtype` "bfloat16"), float16 if asked for. The attribute `checksum` is the
/// CRC-32 of the bytes (`checksum_kind` "crc32").
///
/// Before HDF5's part of the file is its user block, of at least 512 bytes: with the CRC-32 of each chunk of 4 MiB that
/// follows, and of itself, so that read_dump() can refuse a damaged file before HDF5 sees it.
///
/// The file is written in full or not at all (see AtomicFile). Tensors may be strided; they are written as values, off
/// the tape. Data go from the tensors into the file, on the threads of the pool; memory is needed for HDF5's
/// structures, some KiB a tensor, for what is compressed, and for one strided or converted tensor at a time. Throws
/// Error for undefined tensors, names that are empty, repeated, "." or contain '/', and for a file that cannot be
/// written. Thread-safe.
void write_dump(const std::string& path, const Dump& dump, const DumpOptions& options = {});

/// Reads a dump, or an HDF5 file of that layout from another program. Only /parameters is required then, and digest and
/// checksums are verified if present. Tensors come in the order written, or by name if the file does not keep an order.
/// Dumps of every earlier format are read. float16 becomes float32. Throws Error for a file that is no dump, damaged,
/// from a newer format, or holds links, groups or dtypes that a dump cannot hold. Thread-safe. See guarded_read.h.
Dump read_dump(const std::string& path);

}  // namespace backflow::io

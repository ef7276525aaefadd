#include <utility>
#include <vector>

#include <backflow/exchange/atomic_file.h>
#include <backflow/io/dumps/dump_chunks_internal.h>
#include <backflow/io/dumps/dump_structure_internal.h>

namespace backflow::io {
namespace {

using namespace detail;

void write_data(ChunkWriter& chunks, std::vector<DumpStructure::Placed>& all) {
  std::vector<DataRange<const std::byte>> direct;
  for (DumpStructure::Placed& placed : all) {
    const auto& [name, sizes, type, tensor] = *placed.planned;
    const bool is_as_stored = tensor.is_contiguous() && type == elements_of_dtype(tensor.scalar_type());
    const EncodedElements elements(tensor, type);  // a copy unless the tensor's bytes are the file's
    DataRange<const std::byte> range{placed.offset, elements.bytes(), 0};
    if (is_as_stored) {
      direct.push_back(range);
    } else {
      chunks.write({&range, 1});
      placed.crc = range.crc;
    }
  }
  chunks.write(direct);
  auto written = direct.begin();
  for (DumpStructure::Placed& placed : all) {
    if (written != direct.end() && written->offset == placed.offset) placed.crc = (written++)->crc;
  }
}

}  // namespace

void start_hdf5() {
  const Hdf5Lock lock;
  check(H5open() >= 0, "HDF5: cannot start: need a working installation");
}

void write_dump(const std::string& path, const Dump& dump, const DumpOptions& options) {
  std::vector<PlannedGroup> groups = plan_groups(path, dump, options);
  check(options.gzip_level >= 0 && options.gzip_level <= 9, path, ": gzip_level is ", options.gzip_level,
        ": need one from 0 to 9");
  check(options.chunk_bytes > 0 && options.chunk_bytes <= INT32_MAX, path, ": chunk_bytes is ", options.chunk_bytes,
        ": need one from 1 to 2^31 - 1");
  // The target is opened first, so that a directory which cannot be written costs nothing.
  AtomicFile target(path);
  {
    Hdf5Lock lock;
    DumpStructure structure(path, dump, std::move(groups), options);
    ChunkWriter chunks(target, structure.storage().size());
    {
      const Hdf5Lock::Pause others_may(lock);
      write_data(chunks, structure.placed());
    }
    Hdf5MemoryStorage& whole = structure.finish();
    const Hdf5Lock::Pause others_may(lock);
    chunks.finish(whole);
  }
  target.commit();
}

}  // namespace backflow::io

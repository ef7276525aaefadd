#include <algorithm>
#include <array>
#include <exception>
#include <utility>
#include <vector>

#include <backflow/io/dumps/collective_file_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io::detail {
namespace {

#ifdef H5_HAVE_PARALLEL

// HDF5's causes for not writing collectively, as bits.
constexpr std::array<std::pair<std::uint32_t, const char*>, 6> kCauses{
    {{H5D_MPIO_SET_INDEPENDENT, "independent transfer was asked for"},
     {H5D_MPIO_DATATYPE_CONVERSION, "its elements had to be converted"},
     {H5D_MPIO_DATA_TRANSFORMS, "its elements had to be transformed"},
     {H5D_MPIO_MPI_OPT_TYPES_ENV_VAR_DISABLED, "HDF5_MPI_OPT_TYPES in the environment forbids it"},
     {H5D_MPIO_NOT_SIMPLE_OR_SCALAR_DATASPACES, "its dataspace is neither simple nor scalar"},
     {H5D_MPIO_NOT_CONTIGUOUS_OR_CHUNKED_DATASET, "its layout is neither contiguous nor chunked"}}};

std::string text_of_causes(std::uint32_t causes) {
  std::string text;
  for (const auto& [bit, cause] : kCauses) {
    if ((causes & bit) == 0) continue;
    text += (text.empty() ? "" : ", ") + std::string(cause);
    causes &= ~bit;
  }
  if (causes != 0) text += to_text(text.empty() ? "" : ", ", "HDF5's cause ", causes);
  return text;
}

// Parts are large and contiguous: each rank writes its own, and does not send them to a few that write for all.
class Hints {
 public:
  Hints() {
    MPI_Info_create(&info_);
    MPI_Info_set(info_, "collective_buffering", "false");
    MPI_Info_set(info_, "romio_cb_write", "disable");
    MPI_Info_set(info_, "romio_ds_write", "disable");
  }
  ~Hints() { MPI_Info_free(&info_); }
  Hints(const Hints&) = delete;
  Hints& operator=(const Hints&) = delete;
  operator MPI_Info() const { return info_; }  // NOLINT(google-explicit-constructor)

 private:
  MPI_Info info_ = MPI_INFO_NULL;
};

Hdf5Properties parallel_access(const void* comm, const std::string& path) {
  Hdf5Properties access(H5Pcreate(H5P_FILE_ACCESS), path, "write in parallel");
  const Hints hints;
  // All ranks ask for the same structures in the same order, so that one may read them for all.
  if (H5Pset_fapl_mpio(access, *static_cast<const MPI_Comm*>(comm), hints) < 0 ||
      H5Pset_all_coll_metadata_ops(access, true) < 0) {
    fail_hdf5(path, "write in parallel");
  }
  return access;
}

Hdf5Properties collective_transfer(const std::string& path) {
  Hdf5Properties transfer(H5Pcreate(H5P_DATASET_XFER), path, "write in parallel");
  if (H5Pset_dxpl_mpio(transfer, H5FD_MPIO_COLLECTIVE) < 0) fail_hdf5(path, "write in parallel");
  return transfer;
}

// Why the last write was not collective; empty when it was.
std::string why_not_collective(const Hdf5Properties& transfer, const std::string& path) {
  std::uint32_t own = 0;
  std::uint32_t all = 0;
  if (H5Pget_mpio_no_collective_cause(transfer, &own, &all) < 0) fail_hdf5(path, "ask how it was written");
  return text_of_causes(own | all);
}

#else

Hdf5Properties parallel_access(const void*, const std::string& path) {
  fail(path,
       ": cannot write in parallel: HDF5 was built without MPI: need its parallel build, or checkpoint.mode = "
       "\"rank0\"");
}

Hdf5Properties collective_transfer(const std::string& path) { return parallel_access(nullptr, path); }

std::string why_not_collective(const Hdf5Properties&, const std::string&) { return ""; }

#endif

}  // namespace

CollectiveFile::CollectiveFile(const void* comm, const std::string& file, const std::string& path) : path_(path) {
  const Hdf5Lock lock;
  transfer_.emplace(collective_transfer(path));
  const Hdf5Properties access = parallel_access(comm, path);
  file_.emplace(H5Fopen(file.c_str(), H5F_ACC_RDWR, access), path, "write in parallel");
}

CollectiveFile::~CollectiveFile() {
  const Hdf5Lock lock;
  file_.reset();
  transfer_.reset();
}

void CollectiveFile::write(const std::string& dataset, std::uint64_t begin, std::span<const std::byte> bytes) {
  const Hdf5Lock lock;
  try {
    write_elements(dataset, begin, bytes);
  } catch (const std::exception& error) {
    if (error_.empty()) error_ = error.what();
  }
}

void CollectiveFile::write_elements(const std::string& dataset, std::uint64_t begin, std::span<const std::byte> bytes) {
  const std::string what = "write '" + dataset + "' in parallel";
  const Hdf5Dataset open(H5Dopen2(*file_, dataset.c_str(), H5P_DEFAULT), path_, what);
  const Hdf5Type type(H5Dget_type(open), path_, what);
  const Hdf5Space space(H5Dget_space(open), path_, what);
  const std::size_t size = H5Tget_size(type);
  const hsize_t count = bytes.size() / size;
  const hsize_t in_memory = std::max<hsize_t>(count, 1);
  const Hdf5Space memory(H5Screate_simple(1, &in_memory, nullptr), path_, what);
  try {
    check(begin % size == 0 && bytes.size() % size == 0, path_, ": '", dataset, "': ", bytes.size(), " bytes at byte ",
          begin, ": need whole elements of ", size, " bytes");
    select_elements(space, begin / size, count, path_);
  } catch (const std::exception& error) {  // then this rank writes nothing, together with the others
    if (error_.empty()) error_ = error.what();
    H5Sselect_none(space);
  }
  if (H5Sget_select_npoints(space) == 0) H5Sselect_none(memory);
  static constexpr std::byte kNothing[sizeof(double)] = {};
  const void* const from = bytes.empty() ? kNothing : bytes.data();
  if (H5Dwrite(open, type, memory, space, *transfer_, from) < 0) fail_hdf5(path_, what);
  const std::string why_not = why_not_collective(*transfer_, path_);
  if (!why_not.empty() && not_collective_.empty()) {
    not_collective_ = to_text("'", dataset, "' was not written collectively: ", why_not);
  }
}

void CollectiveFile::flush() {
  const Hdf5Lock lock;
  try {
    if (H5Fflush(*file_, H5F_SCOPE_GLOBAL) < 0) fail_hdf5(path_, "write in parallel");
  } catch (const std::exception& error) {
    if (error_.empty()) error_ = error.what();
  }
}

void select_elements(hid_t space, std::uint64_t begin, std::uint64_t count, const std::string& path) {
  std::vector<hsize_t> sizes(static_cast<std::size_t>(std::max(H5Sget_simple_extent_ndims(space), 0)));
  if (H5Sget_simple_extent_dims(space, sizes.data(), nullptr) < 0) fail_hdf5(path, "select elements");
  std::vector<hsize_t> inner(sizes.size(), 1);  // elements of one step in each dimension
  for (std::size_t d = sizes.size(); d-- > 1;) inner[d - 1] = inner[d] * sizes[d];
  const hsize_t all = sizes.empty() ? 1 : inner[0] * sizes[0];
  check(begin <= all && count <= all - begin, path, ": elements ", begin, " to ", begin + count, " of ", all,
        ": need elements that there are");
  if (count == all ? H5Sselect_all(space) < 0 : H5Sselect_none(space) < 0) fail_hdf5(path, "select elements");
  if (count == all) return;
  for (const std::uint64_t end = begin + count; begin < end;) {
    std::size_t d = 0;  // the outermost dimension of which there is a whole step
    while (begin % inner[d] != 0 || inner[d] > end - begin) ++d;
    std::vector<hsize_t> start(sizes.size());
    std::vector<hsize_t> block = sizes;
    for (std::size_t k = 0; k <= d; ++k) {
      start[k] = begin / inner[k] % sizes[k];
      block[k] = 1;
    }
    block[d] = std::min((end - begin) / inner[d], sizes[d] - start[d]);
    if (H5Sselect_hyperslab(space, H5S_SELECT_OR, start.data(), nullptr, block.data(), nullptr) < 0) {
      fail_hdf5(path, "select elements");
    }
    begin += block[d] * inner[d];
  }
}

}  // namespace backflow::io::detail

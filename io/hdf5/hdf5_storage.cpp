#include <algorithm>
#include <cstring>

#include <backflow/io/hdf5/hdf5_storage_internal.h>
#include <backflow/runtime/base/error.h>
#if __has_include(<H5FDdevelop.h>)
#include <H5FDdevelop.h>  // what a driver needs, from HDF5 1.14 on
#endif

namespace backflow::io::detail {
namespace {

// A file of ours as HDF5's drivers have it: HDF5's own fields come first.
struct DriverFile {
  H5FD_t fields{};
  Hdf5Storage* storage = nullptr;
  bool is_new = false;
  haddr_t end = 0;  // of what HDF5 has in use
};

// What the file access properties hold for our driver.
struct DriverInfo {
  Hdf5Storage* storage;
};

Hdf5Storage& storage_of(const H5FD_t* file) { return *reinterpret_cast<const DriverFile*>(file)->storage; }

H5FD_t* open_file(const char*, unsigned flags, hid_t access, haddr_t) {
  const auto* info = static_cast<const DriverInfo*>(H5Pget_driver_info(access));
  if (info == nullptr) return nullptr;
  // Before HDF5 makes a file it tries to open an existing one.
  const bool is_new = (flags & H5F_ACC_CREAT) != 0;
  if (!is_new && info->storage->size() == 0) return nullptr;
  return &(new DriverFile{{}, info->storage, is_new, 0})->fields;
}

herr_t close_file(H5FD_t* file) {
  delete reinterpret_cast<DriverFile*>(file);
  return 0;
}

herr_t query(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}

haddr_t end_of_use(const H5FD_t* file, H5FD_mem_t) { return reinterpret_cast<const DriverFile*>(file)->end; }
haddr_t end_of_file(const H5FD_t* file, H5FD_mem_t) { return storage_of(file).size(); }

herr_t set_end_of_use(H5FD_t* file, H5FD_mem_t, haddr_t end) {
  auto* ours = reinterpret_cast<DriverFile*>(file);
  ours->end = end;
  if (ours->is_new) ours->storage->set_size(end);
  return 0;
}

template <class F>
herr_t guarded(const H5FD_t* file, F&& f) {
  Hdf5Storage& storage = storage_of(file);
  try {
    f(storage);
    return 0;
  } catch (...) {
    storage.keep(std::current_exception());
    return -1;
  }
}

herr_t read_bytes(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t offset, size_t bytes, void* to) {
  const std::uint64_t size = storage_of(file).size();
  if (offset > size || bytes > size - offset) return -1;  // in a damaged file; who asked HDF5 names it
  return guarded(file, [&](Hdf5Storage& storage) { storage.read(offset, {static_cast<std::byte*>(to), bytes}); });
}

herr_t write_bytes(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t offset, size_t bytes, const void* from) {
  return guarded(file, [&](Hdf5Storage& storage) {
    storage.write(offset, {static_cast<const std::byte*>(from), bytes});
  });
}

H5FD_class_t driver_class() {
  H5FD_class_t driver{};
#ifdef H5FD_CLASS_VERSION
  driver.version = H5FD_CLASS_VERSION;
  driver.value = static_cast<H5FD_class_value_t>(300);  // 256 to 511 are for drivers under development
#endif
  driver.name = "backflow";
  driver.maxaddr = INT64_MAX;
  driver.fc_degree = H5F_CLOSE_WEAK;
  driver.fapl_size = sizeof(DriverInfo);
  driver.open = open_file;
  driver.close = close_file;
  driver.query = query;
  driver.get_eoa = end_of_use;
  driver.set_eoa = set_end_of_use;
  driver.get_eof = end_of_file;
  driver.read = read_bytes;
  driver.write = write_bytes;
  constexpr H5FD_mem_t kFreeSpace[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
  std::copy(std::begin(kFreeSpace), std::end(kFreeSpace), driver.fl_map);
  return driver;
}

// Access through `storage`. HDF5 knows the driver from the first call on, until the program ends.
Hdf5Properties access_to(Hdf5Storage& storage, const std::string& path, const std::string& what) {
  static const H5FD_class_t driver = driver_class();
  static const hid_t id = H5FDregister(&driver);
  Hdf5Properties access(H5Pcreate(H5P_FILE_ACCESS), path, what);
  const DriverInfo info{&storage};
  if (id < 0 || H5Pset_driver(access, id, &info) < 0) fail_hdf5(path, what);
  return access;
}

// HDF5 identifies its open files by name, those of other drivers too.
std::string name_of(const Hdf5Storage& storage) {
  return to_text("backflow-storage-", static_cast<const void*>(&storage));
}

}  // namespace

Hdf5File create_hdf5(Hdf5Storage& storage, std::uint64_t structure_bytes, const std::string& path) {
  const Hdf5Properties access = access_to(storage, path, "write");
  // Data on whole pages are copied faster, and can be mapped.
  constexpr hsize_t kPage = 4096;
  constexpr hsize_t kLeast = 16 * kPage;
  if (H5Pset_meta_block_size(access, structure_bytes) < 0 || H5Pset_alignment(access, kLeast, kPage) < 0) {
    fail_hdf5(path, "write");
  }
  return {H5Fcreate(name_of(storage).c_str(), H5F_ACC_EXCL, H5P_DEFAULT, access), path, "write"};
}

Hdf5File open_hdf5(Hdf5Storage& storage, const std::string& path) {
  const Hdf5Properties access = access_to(storage, path, "open as an HDF5 file");
  return {H5Fopen(name_of(storage).c_str(), H5F_ACC_RDONLY, access), path, "open as an HDF5 file"};
}

void Hdf5MemoryStorage::read(std::uint64_t offset, std::span<std::byte> to) {
  std::fill(to.begin(), to.end(), std::byte{0});
  const std::uint64_t end = offset + to.size();
  for (auto page = pages_.lower_bound(offset / kPageBytes); page != pages_.end(); ++page) {
    const std::uint64_t start = page->first * kPageBytes;
    if (start >= end) break;
    const std::uint64_t from = std::max(start, offset);
    const std::uint64_t until = std::min(start + kPageBytes, end);
    std::memcpy(to.data() + (from - offset), page->second->data() + (from - start), until - from);
  }
}

void Hdf5MemoryStorage::for_each_page(
    const std::function<void(std::uint64_t offset, std::span<const std::byte>)>& use) const {
  for (const auto& [number, page] : pages_) {
    const std::uint64_t start = number * kPageBytes;
    if (start < size()) use(start, {page->data(), std::min(kPageBytes, size() - start)});
  }
}

void Hdf5MemoryStorage::write(std::uint64_t offset, std::span<const std::byte> from) {
  while (!from.empty()) {
    const std::uint64_t inside = offset % kPageBytes;
    const std::size_t bytes = std::min<std::size_t>(kPageBytes - inside, from.size());
    std::unique_ptr<Page>& page = pages_[offset / kPageBytes];
    if (!page) page = std::make_unique<Page>();  // of zeros
    std::memcpy(page->data() + inside, from.data(), bytes);
    from = from.subspan(bytes);
    offset += bytes;
  }
}

}  // namespace backflow::io::detail

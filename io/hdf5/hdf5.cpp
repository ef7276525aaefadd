#include <algorithm>
#include <cstdint>

#include <backflow/io/hdf5/hdf5_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io::detail {
namespace {

std::mutex& hdf5_mutex() {
  static std::mutex mutex;
  return mutex;
}

// Keeps the first reason that H5Ewalk shows, which is the innermost.
herr_t keep_first(unsigned, const H5E_error2_t* error, void* text) {
  auto& reason = *static_cast<std::string*>(text);
  if (reason.empty() && error->desc != nullptr) reason = error->desc;
  return 0;
}

// Attributes larger than this are no text of ours.
constexpr std::size_t kMostTextBytes = std::size_t{64} << 20;

void check_text(const std::string& name, const std::string& text, const std::string& path) {
  check(text.find('\0') == std::string::npos, path, ": text of '", name, "' contains a NUL: need text without");
}

void write_scalar(hid_t object, const std::string& name, hid_t file_type, hid_t type, const void* value,
                  const std::string& path) {
  const std::string what = "write attribute '" + name + "'";
  const Hdf5Space space(H5Screate(H5S_SCALAR), path, what);
  const Hdf5Attribute attribute(H5Acreate2(object, name.c_str(), file_type, space, H5P_DEFAULT, H5P_DEFAULT), path,
                                what);
  if (H5Awrite(attribute, type, value) < 0) fail_hdf5(path, what);
}

struct OpenAttribute {
  std::string what;
  Hdf5Attribute attribute;
  Hdf5Type type;

  OpenAttribute(hid_t object, const std::string& name, const std::string& path)
      : what("read attribute '" + name + "'"),
        attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), path, what),
        type(H5Aget_type(attribute), path, what) {
    const Hdf5Space space(H5Aget_space(attribute), path, what);
    check(H5Sget_simple_extent_npoints(space) == 1, path, ": attribute '", name, "' is not a single value: need one");
  }
};

}  // namespace

Hdf5Lock::Hdf5Lock() : lock_(hdf5_mutex(), std::defer_lock) { take(); }

Hdf5Lock::~Hdf5Lock() { release(); }

void Hdf5Lock::take() {
  lock_.lock();
  H5Eget_auto2(H5E_DEFAULT, &print_, &print_data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

void Hdf5Lock::release() {
  H5Eset_auto2(H5E_DEFAULT, print_, print_data_);
  lock_.unlock();
}

void fail_hdf5(const std::string& path, const std::string& what) {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
  fail(path, ": cannot ", what, ": ", reason.empty() ? "HDF5 gives no reason" : reason);
}

Hdf5Dataset make_dataset(hid_t group, const std::string& name, hid_t type, hid_t space, hid_t links,
                         const std::string& path, const std::string& what) {
  const Hdf5Properties creation(H5Pcreate(H5P_DATASET_CREATE), path, what);
  if (H5Pset_obj_track_times(creation, false) < 0) fail_hdf5(path, what);
  return {H5Dcreate2(group, name.c_str(), type, space, links, creation, H5P_DEFAULT), path, what};
}

void write_attribute(hid_t object, const std::string& name, const std::string& text, const std::string& path) {
  check_text(name, text, path);
  const Hdf5Type type = text_type(H5T_VARIABLE, path);
  const char* start = text.c_str();
  write_scalar(object, name, type, type, &start, path);
}

void write_fixed_text(hid_t object, const std::string& name, const std::string& text, const std::string& path) {
  check_text(name, text, path);
  check(name.size() + text.size() <= kMostFixedText, path, ": text of '", name, "' has ", text.size(),
        " bytes: need at most ", kMostFixedText, " with the name");
  const Hdf5Type type = text_type(text.size(), path);
  write_scalar(object, name, type, type, text.c_str(), path);
}

void write_attribute(hid_t object, const std::string& name, std::int64_t value, const std::string& path) {
  write_scalar(object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value, path);
}

Hdf5Type text_type(std::size_t bytes, const std::string& path) {
  Hdf5Type type(H5Tcopy(H5T_C_S1), path, "write");
  if (H5Tset_size(type, std::max<std::size_t>(bytes, 1)) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0 ||
      H5Tset_strpad(type, H5T_STR_NULLPAD) < 0) {
    fail_hdf5(path, "write");
  }
  return type;
}

Hdf5Type half_type(const std::string& path, const std::string& what) {
  Hdf5Type type(H5Tcopy(H5T_IEEE_F32LE), path, what);
  // Sign bit, exponent and mantissa: where they start, and how many bits they have.
  const bool is_set =
      H5Tset_fields(type, 15, 10, 5, 0, 10) >= 0 && H5Tset_size(type, 2) >= 0 && H5Tset_ebias(type, 15) >= 0;
  if (!is_set) fail_hdf5(path, what);
  return type;
}

Hdf5Type bool_type(const std::string& path, const std::string& what) {
  Hdf5Type type(H5Tenum_create(H5T_STD_I8LE), path, what);
  std::int8_t value = 0;
  for (const char* name : {"FALSE", "TRUE"}) {
    if (H5Tenum_insert(type, name, &value) < 0) fail_hdf5(path, what);
    ++value;
  }
  return type;
}

bool has_attribute(hid_t object, const std::string& name, const std::string& path) {
  const htri_t there = H5Aexists(object, name.c_str());
  if (there < 0) fail_hdf5(path, "read attribute '" + name + "'");
  return there > 0;
}

std::string read_text_attribute(hid_t object, const std::string& name, const std::string& path) {
  const OpenAttribute open(object, name, path);
  check(H5Tget_class(open.type) == H5T_STRING, path, ": attribute '", name, "' is no text: need text");
  if (H5Tis_variable_str(open.type) > 0) {
    char* text = nullptr;
    if (H5Aread(open.attribute, open.type, &text) < 0) fail_hdf5(path, open.what);
    std::string result = text != nullptr ? text : "";
    H5free_memory(text);
    return result;
  }
  const std::size_t size = H5Tget_size(open.type);
  check(size <= kMostTextBytes, path, ": attribute '", name, "' has ", size, " bytes: need at most ", kMostTextBytes);
  std::string text(size, '\0');
  if (H5Aread(open.attribute, open.type, text.data()) < 0) fail_hdf5(path, open.what);
  if (H5Tget_strpad(open.type) == H5T_STR_SPACEPAD) return text.substr(0, text.find_last_not_of(' ') + 1);
  return text.substr(0, text.find('\0'));
}

std::int64_t read_integer_attribute(hid_t object, const std::string& name, const std::string& path) {
  const OpenAttribute open(object, name, path);
  check(H5Tget_class(open.type) == H5T_INTEGER, path, ": attribute '", name, "' is no integer: need one");
  std::int64_t value = 0;
  if (H5Aread(open.attribute, H5T_NATIVE_INT64, &value) < 0) fail_hdf5(path, open.what);
  return value;
}

}  // namespace backflow::io::detail

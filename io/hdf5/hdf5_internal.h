#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include <hdf5.h>

namespace backflow::io::detail {

/// Held around every use of HDF5, which is not thread-safe here: handles must be made and closed under it. It also
/// keeps HDF5 from printing its errors, and gives the program its own setting back at the end.
class Hdf5Lock {
 public:
  Hdf5Lock();
  ~Hdf5Lock();
  Hdf5Lock(const Hdf5Lock&) = delete;
  Hdf5Lock& operator=(const Hdf5Lock&) = delete;

  /// Gives the lock away until the end of the scope: others use HDF5 meanwhile.
  class Pause {
   public:
    explicit Pause(Hdf5Lock& lock) : lock_(lock) { lock_.release(); }
    ~Pause() { lock_.take(); }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Hdf5Lock& lock_;
  };

 private:
  void take();
  void release();

  std::unique_lock<std::mutex> lock_;
  H5E_auto2_t print_ = nullptr;
  void* print_data_ = nullptr;
};

/// Throws Error: "PATH: cannot WHAT: " and HDF5's own innermost reason.
[[noreturn]] void fail_hdf5(const std::string& path, const std::string& what);

/// An open HDF5 object, closed at the end.
template <herr_t (*Close)(hid_t)>
class Hdf5Handle {
 public:
  /// Throws Error, as fail_hdf5, when `id` says that HDF5 failed to `what`.
  Hdf5Handle(hid_t id, const std::string& path, const std::string& what) : id_(id) {
    if (id_ < 0) fail_hdf5(path, what);
  }
  ~Hdf5Handle() {
    if (id_ >= 0) Close(id_);
  }
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Hdf5Handle& operator=(Hdf5Handle&&) = delete;

  operator hid_t() const { return id_; }  // NOLINT(google-explicit-constructor)

 private:
  hid_t id_;
};

using Hdf5File = Hdf5Handle<H5Fclose>;
using Hdf5Group = Hdf5Handle<H5Gclose>;
using Hdf5Dataset = Hdf5Handle<H5Dclose>;
using Hdf5Object = Hdf5Handle<H5Oclose>;
using Hdf5Space = Hdf5Handle<H5Sclose>;
using Hdf5Type = Hdf5Handle<H5Tclose>;
using Hdf5Attribute = Hdf5Handle<H5Aclose>;
using Hdf5Properties = Hdf5Handle<H5Pclose>;

/// A new dataset without the time of its last change: equal contents make equal files. `path` is the file's, and `what`
/// what is done, for messages.
Hdf5Dataset make_dataset(hid_t group, const std::string& name, hid_t type, hid_t space, hid_t links,
                         const std::string& path, const std::string& what);

/// Attributes. `path` is the file's, for messages. Text is UTF-8 of variable length, which has no limit of 64 KB and
/// which h5py reads as str; it must not contain a NUL.
void write_attribute(hid_t object, const std::string& name, const std::string& text, const std::string& path);
/// Text of fixed length, padded with NUL: damage to the heap that HDF5 keeps text of variable length in crashes HDF5
/// 1.10. Name and text have at most kMostFixedText bytes together.
void write_fixed_text(hid_t object, const std::string& name, const std::string& text, const std::string& path);
inline constexpr std::size_t kMostFixedText = 60000;
void write_attribute(hid_t object, const std::string& name, std::int64_t value, const std::string& path);
bool has_attribute(hid_t object, const std::string& name, const std::string& path);
/// Text of variable or fixed length. Throws Error for any other attribute.
std::string read_text_attribute(hid_t object, const std::string& name, const std::string& path);
std::int64_t read_integer_attribute(hid_t object, const std::string& name, const std::string& path);

/// The type of texts of so many bytes, or of variable length.
Hdf5Type text_type(std::size_t bytes, const std::string& path);
/// float16 of IEEE 754, little-endian, as h5py has it.
Hdf5Type half_type(const std::string& path, const std::string& what);
/// The type of truth values, as h5py has it: an enumeration of signed bytes, FALSE = 0 and TRUE = 1.
Hdf5Type bool_type(const std::string& path, const std::string& what);

}  // namespace backflow::io::detail

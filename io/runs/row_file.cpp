#include <backflow/io/row_file.h>

#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <optional>
#include <utility>

#include <backflow/exchange/atomic_file.h>
#include <backflow/exchange/npy_header.h>
#include <backflow/io/hdf5/hdf5_internal.h>
#include <backflow/runtime/base/error.h>

namespace backflow::io {
namespace {

std::int64_t numbers_of(const RowLayout& layout) { return numel_of(layout.row_shape); }

std::vector<std::string> names_of(const RowLayout& layout) {
  const auto n = static_cast<std::size_t>(numbers_of(layout));
  if (layout.names.size() == n) return layout.names;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < n; ++i) names.push_back(std::to_string(i));
  return names;
}

DimVector sizes_of(const RowLayout& layout) {
  DimVector sizes = {layout.rows};
  for (const std::int64_t size : layout.row_shape) sizes.push_back(size);
  return sizes;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos && !text.empty()) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

class CsvRows : public RowFile {
 public:
  CsvRows(const std::string& path, const RowLayout& layout) : layout_(layout), file_(path) {
    std::string line = layout.has_class ? "class" : "";
    for (const std::string& name : names_of(layout)) line += (line.empty() ? "" : ",") + csv_field(name);
    line += '\n';
    file_.write(line.data(), line.size());
  }

  void append(const Tensor& rows, std::span<const std::int64_t> classes) override {
    std::string text;
    for (std::int64_t row = 0; row < rows.size(0); ++row) {
      if (layout_.has_class) text += class_name(classes[static_cast<std::size_t>(row)]);
      for (std::int64_t i = 0; i < numbers_of(layout_); ++i) {
        if (i > 0 || layout_.has_class) text += ',';
        append_number(text, rows, row * numbers_of(layout_) + i);
      }
      text += '\n';
    }
    file_.write(text.data(), text.size());
  }

  void commit() override { file_.commit(); }

 private:
  std::string class_name(std::int64_t number) const {
    const auto place = static_cast<std::size_t>(number);
    return place < layout_.classes.size() ? csv_field(layout_.classes[place]) : std::to_string(number);
  }

  /// In digits that give the same bits again.
  static void append_number(std::string& text, const Tensor& rows, std::int64_t place) {
    std::array<char, 40> digits = {};
    char* const end = digits.data() + digits.size();
    const auto done = rows.scalar_type() == kFloat32
                          ? std::to_chars(digits.data(), end, rows.const_data_ptr<float>()[place])
                          : std::to_chars(digits.data(), end, rows.const_data_ptr<double>()[place]);
    text.append(digits.data(), done.ptr);
  }

  RowLayout layout_;
  AtomicFile file_;
};

class NpyRows : public RowFile {
 public:
  NpyRows(const std::string& path, const RowLayout& layout) : file_(path) {
    const std::string header = detail::npy_header_text(elements_of_dtype(layout.dtype), sizes_of(layout));
    file_.write(header.data(), header.size());
  }
  void append(const Tensor& rows, std::span<const std::int64_t>) override {
    file_.write(rows.const_data_ptr(), rows.nbytes());
  }
  void commit() override { file_.commit(); }

 private:
  AtomicFile file_;
};

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : "\n") + name;
  return text;
}

class Hdf5Rows : public RowFile {
 public:
  Hdf5Rows(std::string path, const RowLayout& layout)
      : layout_(layout), path_(std::move(path)), temporary_(to_text(path_, ".backflow-", ::getpid(), ".tmp")) {
    const detail::Hdf5Lock lock;
    file_.emplace(H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), path_, "write");
    values_.emplace(
        make("predictions", sizes_of(layout), layout.dtype == kFloat32 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE));
    detail::write_attribute(*values_, "names", joined(names_of(layout)), path_);
    if (layout.has_class) {
      classes_.emplace(make("class", {layout.rows}, H5T_NATIVE_INT64));
      detail::write_attribute(*classes_, "names", joined(layout.classes), path_);
    }
  }

  ~Hdf5Rows() override {
    const detail::Hdf5Lock lock;
    close();
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  void append(const Tensor& rows, std::span<const std::int64_t> classes) override {
    const detail::Hdf5Lock lock;
    write(*values_, sizes_of(layout_), rows.size(0), layout_.dtype == kFloat32 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE,
          rows.const_data_ptr());
    if (classes_) write(*classes_, {layout_.rows}, rows.size(0), H5T_NATIVE_INT64, classes.data());
    done_ += rows.size(0);
  }

  void commit() override {
    const detail::Hdf5Lock lock;
    if (H5Fflush(*file_, H5F_SCOPE_GLOBAL) < 0) detail::fail_hdf5(path_, "write");
    close();
    check(std::rename(temporary_.c_str(), path_.c_str()) == 0, path_, ": cannot write: cannot rename ", temporary_);
    temporary_.clear();
  }

 private:
  detail::Hdf5Dataset make(const char* name, const DimVector& sizes, hid_t type) const {
    std::vector<hsize_t> extents(sizes.begin(), sizes.end());
    const detail::Hdf5Space space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), path_,
                                  "write");
    return detail::make_dataset(*file_, name, type, space, H5P_DEFAULT, path_, "write");
  }

  void write(hid_t dataset, const DimVector& sizes, std::int64_t rows, hid_t type, const void* data) const {
    std::vector<hsize_t> start(static_cast<std::size_t>(sizes.size()), 0);
    std::vector<hsize_t> count(sizes.begin(), sizes.end());
    start[0] = static_cast<hsize_t>(done_);
    count[0] = static_cast<hsize_t>(rows);
    const detail::Hdf5Space in_file(H5Dget_space(dataset), path_, "write");
    const detail::Hdf5Space in_memory(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), path_,
                                      "write");
    if (H5Sselect_hyperslab(in_file, H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr) < 0 ||
        H5Dwrite(dataset, type, in_memory, in_file, H5P_DEFAULT, data) < 0) {
      detail::fail_hdf5(path_, "write");
    }
  }

  void close() {
    values_.reset();
    classes_.reset();
    file_.reset();
  }

  RowLayout layout_;
  std::string path_;
  std::string temporary_;
  std::optional<detail::Hdf5File> file_;
  std::optional<detail::Hdf5Dataset> values_;
  std::optional<detail::Hdf5Dataset> classes_;
  std::int64_t done_ = 0;
};

}  // namespace

std::string RowFile::check_name(const std::string& path) {
  const bool good =
      path.ends_with(".csv") || path.ends_with(".npy") || path.ends_with(".h5") || path.ends_with(".hdf5");
  return good ? "" : "'" + path + "': need a name that ends with .csv, .npy or .h5";
}

std::unique_ptr<RowFile> RowFile::create(const std::string& path, const RowLayout& layout) {
  check(layout.dtype == kFloat32 || layout.dtype == kFloat64, path, ": rows of ", layout.dtype,
        ": need float32 or float64");
  if (path.ends_with(".csv")) return std::make_unique<CsvRows>(path, layout);
  if (path.ends_with(".npy")) return std::make_unique<NpyRows>(path, layout);
  if (const std::string problem = check_name(path); !problem.empty()) fail(problem);
  return std::make_unique<Hdf5Rows>(path, layout);
}

}  // namespace backflow::io

#include <backflow/io/tensor_file.h>

#include <backflow/io/dumps/dump_tensors_internal.h>

namespace backflow::io {

TensorFile read_tensor_file(const std::string& path, const ReadOptions& options) {
  const InputFile file(path);
  return options.key.empty() && format_of_file(file) == TensorFormat::Hdf5 ? detail::read_dump_tensors(path)
                                                                           : read_without_hdf5(file, options);
}

NamedTensors read_tensors(const std::string& path) { return read_tensor_file(path).tensors; }

void write_tensors(const std::string& path, const NamedTensors& tensors,
                   const std::map<std::string, std::string>& metadata, const WriteOptions& options) {
  if (format_of_name(path) == TensorFormat::Hdf5) {
    detail::write_dump_tensors(path, tensors, metadata, options.floating_point);
  } else {
    write_without_hdf5(path, tensors, metadata, options);
  }
}

}  // namespace backflow::io

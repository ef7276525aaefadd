#include <utility>

#include <backflow/ops/kernels/onednn.h>
#include <backflow/runtime/tensor/storage.h>

namespace backflow::kernels {

void run_primitive(const dnnl::primitive& primitive, const dnnl::memory::desc& scratchpad, Arguments arguments) {
  const SingleOpenMpThread single;
  IntrusivePtr<Storage> bytes;
  if (scratchpad.get_size() > 0) {
    bytes = Storage::make(scratchpad.get_size());
    arguments.emplace(DNNL_ARG_SCRATCHPAD, over(scratchpad, bytes->data()));
  }
  primitive.execute(onednn_stream(), arguments);
  onednn_stream().wait();
}

}  // namespace backflow::kernels

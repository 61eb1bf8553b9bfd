// Exceptions to codes and words.
#include "trainer/training/run_failure.h"

#include <torch/torch.h>

#include <new>
#include <string>

#include "trainer/durable/descriptor.h"
#include "trainer/fast/precision.h"
#include "trainer/model/backbone.h"
#include "trainer/text/tokenizer.h"

namespace graft {
namespace {

const RunFailed out_of_memory{"out_of_memory",
                              "There was not enough memory to train; a smaller batch_size, "
                              "max_length or adapter size needs less.",
                              ""};

}  // namespace

RunFailed describe_failure(std::exception_ptr failure) {
  try {
    std::rethrow_exception(std::move(failure));
  } catch (const BackboneError& error) {
    return {error.code(), error.what(), "model"};
  } catch (const TokenizerError& error) {
    return {"invalid_backbone", error.what(), "model"};
  } catch (const PrecisionError& error) {
    return {"precision_unavailable",
            std::string(error.what()) + ". Please tell the operator of this service, who chooses " +
                "it (graftd --precision).",
            ""};
  } catch (const ProtocolError& error) {
    return {"invalid_order", std::string("order.json: ") + error.what(), ""};
  } catch (const std::bad_alloc&) {
    return out_of_memory;
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::not_enough_memory) return out_of_memory;
    if (!is_full_disk(error.code())) return {"worker_error", error.what(), ""};
    return {"disk_full", std::string("The service's disk is full: ") + error.what(), ""};
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    // LibTorch has a type for a GPU's memory only.
    if (what.find("allocate memory") != std::string::npos) return out_of_memory;
    return {"worker_error", what, ""};
  } catch (const std::exception& error) {
    return {"worker_error", error.what(), ""};
  }
}

}  // namespace graft

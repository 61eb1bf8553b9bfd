// `graft-worker serve`: the predictor behind a Unix socket, one JSON object a line.
//
// Any number of clients, requests of each answered in order by the calling thread alone.
#pragma once

#include <filesystem>

#include "trainer/serving/predictor.h"
#include "trainer/training/stop_signal.h"

namespace graft {

// Listens at socket_path (a stale socket there is replaced) until stop is requested or the process
// that started this one is gone. Throws std::system_error where it cannot listen.
void serve_predictions(const std::filesystem::path& socket_path, Predictor& predictor,
                       StopSignal& stop);

}  // namespace graft

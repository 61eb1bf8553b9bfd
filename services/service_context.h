// What every route may use, made once by main and outliving the server. Handlers run on many
// threads: all members are thread-safe or constant, and a handler checks out its own database
// connection.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "scheduler/scheduler.h"
#include "services/database_pool.h"
#include "services/predict_client.h"
#include "services/wire/backbones.h"
#include "storage/blob_store.h"
#include "storage/disk_reserve.h"
#include "storage/records.h"

namespace graft {

struct ServiceContext {
  DatabasePool& databases;
  const BlobStore& blobs;
  DiskReserve& reserve;  // for what makes room on a full disk
  const std::vector<BackboneInfo>& backbones;
  PredictClient& predict;
  std::function<void()> poke_scheduler;  // something changed: tick now, not at the next turn
  std::function<UnixTime()> now;
  bool keys_required = false;
  std::string program_version;
  std::function<MachineState()> machine = [] { return MachineState{}; };  // can it train at all?
};

}  // namespace graft

// SPDX-License-Identifier: GPL-2.0-only
#include "cell/workload.h"

namespace faultline {
namespace {

constexpr const char* kOfUnrelated[] = {"map_sync"};
constexpr const char* kOfBehindCommit[] = {"volatile", "map_sync", "prealloc", "daxfile",
                                           "daxfile_nocmtime"};
constexpr const char* kOfDos[] = {
    "map_sync",        "sync_fault",        "sync_retry", "sync_retry_extent",
    "sync_retry_once", "sync_retry_strict", "daxfile"};
constexpr const char* kOfBystander[] = {"map_sync", "sync_fault", "sync_retry",
                                        "sync_retry_extent"};

constexpr Workload kWorkloads[] = {
#define WORKLOAD(id_, ...) {.id = #id_, __VA_ARGS__},
#include "cell/workloads.def"
#undef WORKLOAD
};

constexpr TouchRow kTouches[] = {
#define DOS_TOUCH(id_, ...) {.id = #id_, .workload = "dos", __VA_ARGS__},
#define BYSTANDER_TOUCH(id_, ...) {.id = #id_, .workload = "bystander", __VA_ARGS__},
#include "cell/touches.def"
#undef DOS_TOUCH
#undef BYSTANDER_TOUCH
};

}  // namespace

std::span<const Workload> workloads() { return kWorkloads; }
std::span<const TouchRow> touches() { return kTouches; }

const Workload* find_workload(const std::string& id) {
  for (const Workload& workload : kWorkloads) {
    if (id == workload.id) return &workload;
  }
  return nullptr;
}

const TouchRow* find_touch(const std::string& workload, const std::string& id) {
  for (const TouchRow& touch : kTouches) {
    if (workload == touch.workload && id == touch.id) return &touch;
  }
  return nullptr;
}

}  // namespace faultline

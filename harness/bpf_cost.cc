// SPDX-License-Identifier: GPL-2.0-only
#include "harness/bpf_cost.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cost.skel.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "bpf/cost.h"
#include "cell/failure.h"

namespace faultline {
namespace {

// Helpers of inode storage are for programs of LSM hooks alone (bpf_lsm_func_proto(),
// kernel/bpf/bpf_lsm.c, 6.1 to 7.3), and no LSM hook lies in a write fault.
constexpr std::string_view kLsmAlone = "cost_inode_storage";

// The object with the programs that `wanted` chooses, loaded; nullptr with the reason in `refused`.
template <typename Wanted>
bpf_object* load_programs(const char* function, const Wanted& wanted, std::string& refused) {
  size_t size = 0;
  const void* elf = cost_bpf__elf_bytes(&size);
  bpf_object* object = bpf_object__open_mem(elf, size, nullptr);
  if (object == nullptr) {
    refused = std::strerror(errno);
    return nullptr;
  }
  // A kernel without CONFIG_BPF_LSM has no such kind of map, which only this program needs.
  bpf_map__set_autocreate(bpf_object__find_map_by_name(object, "cost_storage_map"),
                          wanted(kLsmAlone));
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    const bool load = wanted(std::string_view(bpf_program__name(program)));
    bpf_program__set_autoload(program, load);
    if (load && bpf_program__set_attach_target(program, 0, function) != 0) {
      refused = fmt::format("no BTF for {}", function);
    }
  }
  if (refused.empty() && bpf_object__load(object) != 0) {
    refused = fmt::format("{} on {}", std::strerror(errno), function);
  }
  if (refused.empty()) return object;
  bpf_object__close(object);
  return nullptr;
}

}  // namespace

BpfCosts::BpfCosts(const FileSystem& fs) : function_(fs.map) {
  if (function_ == nullptr) return;
  object_ = load_programs(
      function_, [](std::string_view name) { return name != kLsmAlone; }, refused_);
  if (object_ == nullptr) return;
  const int chain = bpf_object__find_map_fd_by_name(object_, "cost_chain_map");
  for (uint64_t key = 0; key + 1 < FL_COST_ENTRIES; ++key) {
    const uint64_t next = key + 1;
    if (bpf_map_update_elem(chain, &key, &next, BPF_ANY) != 0) refused_ = std::strerror(errno);
  }
}

BpfCosts::~BpfCosts() {
  detach();
  bpf_object__close(alone_);
  bpf_object__close(object_);
}

void BpfCosts::attach(Probes set) {
  if (!sees(set, kRunsAProgram)) return;
  const std::string name = row_of(set).program;
  const auto refuse = [&](const std::string& why) {
    throw Failure(ExitCode::kSkipped, fmt::format("{}: {}", id_of(set), why));
  };
  if (function_ == nullptr) refuse("which function maps a block is not known of this file system");
  bpf_object* object = object_;
  if (name == kLsmAlone) {
    std::string why;
    alone_ = load_programs(
        function_, [](std::string_view each) { return each == kLsmAlone; }, why);
    if (alone_ == nullptr) {
      refuse(why + ": inode storage is for programs of LSM hooks, and none lies in a write fault");
    }
    object = alone_;
  } else if (!refused_.empty()) {
    refuse(refused_);
  }
  link_ = bpf_program__attach_trace(bpf_object__find_program_by_name(object, name.c_str()));
  if (link_ == nullptr) refuse(std::strerror(errno));
}

void BpfCosts::detach() {
  bpf_link__destroy(link_);
  link_ = nullptr;
}

}  // namespace faultline

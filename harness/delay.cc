// SPDX-License-Identifier: GPL-2.0-only
#include "harness/delay.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <delay.skel.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstring>

#include "cell/failure.h"
#include "cell/planted.h"

namespace faultline {

fl_delay delay_of(uint64_t instructions, const std::string& release) {
  check_delay(instructions, release);
  const uint64_t left = instructions - delay_overhead(release);
  return {.rounds = static_cast<unsigned>(left / FL_DELAY_ROUND),
          .rest = static_cast<unsigned>(left % FL_DELAY_ROUND)};
}

PlantedDelay::PlantedDelay() {
  size_t size = 0;
  const void* elf = delay_bpf__elf_bytes(&size);
  object_ = bpf_object__open_mem(elf, size, nullptr);
  if (object_ == nullptr || bpf_object__load(object_) != 0) refused_ = std::strerror(errno);
}

PlantedDelay::~PlantedDelay() {
  for (bpf_link* link : links_) bpf_link__destroy(link);
  bpf_object__close(object_);
}

void PlantedDelay::attach(uint64_t instructions) {
  utsname name{};
  uname(&name);
  const fl_delay asked = delay_of(instructions, name.release);
  const auto refuse = [&](const std::string& why) {
    throw Failure(ExitCode::kRegression, fmt::format("the delay cannot be planted: {}", why));
  };
  if (!refused_.empty()) refuse(refused_);
  const uint32_t key = 0;
  if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(object_, ".data.delay"), &key, &asked,
                          0) != 0) {
    refuse(std::strerror(errno));
  }
  constexpr std::pair<const char*, const char*> kPlaces[] = {{"delay_pte", "dax_pte_fault"},
                                                             {"delay_pmd", "dax_pmd_fault"}};
  for (size_t i = 0; i < std::size(kPlaces); ++i) {
    const auto& [program, tracepoint] = kPlaces[i];
    links_[i] = bpf_program__attach_raw_tracepoint(
        bpf_object__find_program_by_name(object_, program), tracepoint);
    if (links_[i] == nullptr) refuse(fmt::format("{}: {}", tracepoint, std::strerror(errno)));
  }
}

}  // namespace faultline

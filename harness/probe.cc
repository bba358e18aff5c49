// SPDX-License-Identifier: GPL-2.0-only
#include "harness/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <skeletons.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "harness/failure.h"

namespace faultline {
namespace {

struct ProbeRow {
  const char* id;
  const void* (*elf)(size_t* size);
  bool one_process;  // counts the measured process alone: a commit is the kernel's own thread
};

constexpr ProbeRow kRows[] = {
#define PROBE(id, what)      \
  {#id, id##_bpf__elf_bytes, \
   ProbeId::k_##id == ProbeId::k_fault || ProbeId::k_##id == ProbeId::k_sync},
#include "bpf/probes.def"
#undef PROBE
};

// libbpf reports through a callback; what it said since the last clear().
std::string& Warnings() {
  static std::string text;
  return text;
}

int KeepWarning(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  std::array<char, 4096> line{};
  const int n = std::vsnprintf(line.data(), line.size(), format, arguments);
  Warnings() += line.data();
  return n;
}

// The line of the warnings that tells most: the verifier's verdict, which stands before its count
// of instructions, or else the first.
std::string Reason(const char* otherwise) {
  const std::string& text = Warnings();
  size_t end = text.find("\nprocessed ");
  size_t start = 0;
  if (end == std::string::npos) {
    end = text.find('\n');
  } else {
    start = text.rfind('\n', end - 1) + 1;
  }
  const std::string line = text.substr(start, end - start);
  return line.empty() ? otherwise : line;
}

enum class Means { kFentry, kKprobe };

struct MeansRow {
  Means means;
  const char* name;
  const char* enter;
  const char* leave;
};
constexpr MeansRow kMeans[] = {{Means::kFentry, "fentry", "fentry_enter", "fexit_leave"},
                               {Means::kKprobe, "kprobe", "kprobe_enter", "kretprobe_leave"}};

}  // namespace

struct ProbeSet::Loaded {
  bpf_object* object = nullptr;
  bpf_program* enter = nullptr;
  bpf_program* leave = nullptr;
  Means means = Means::kFentry;
  std::string function;
  std::array<bpf_link*, 2> links{};
  int state_fd = -1;
  int samples_fd = -1;

  ~Loaded() {
    Detach();
    bpf_object__close(object);
  }
  Loaded() = default;
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;

  bool Attach() {
    // The return side first: an entry without its return would leave a slot taken.
    for (const auto& [index, program] : {std::pair{1, leave}, std::pair{0, enter}}) {
      bpf_link* link = means == Means::kFentry
                           ? bpf_program__attach_trace(program)
                           : bpf_program__attach_kprobe(program, index == 1, function.c_str());
      if (link == nullptr) {
        const int error = errno;
        if (Warnings().empty()) Warnings() = std::strerror(error);
        Detach();
        return false;
      }
      links.at(static_cast<size_t>(index)) = link;
    }
    return true;
  }

  void Detach() {
    for (bpf_link*& link : links) {
      if (link != nullptr) bpf_link__destroy(link);
      link = nullptr;
    }
  }
};

namespace {

template <typename T>
bool SetConstant(bpf_object* object, size_t index, T value) {
  bpf_map* map = bpf_object__find_map_by_name(object, ".rodata");
  size_t size = 0;
  if (map == nullptr) return false;
  auto* data = static_cast<T*>(const_cast<void*>(bpf_map__initial_value(map, &size)));
  if (data == nullptr || (index + 1) * sizeof(T) > size) return false;
  data[index] = value;
  return true;
}

// The order of the constants in bpf/probe.bpf.h.
constexpr size_t kConstantType = 0;
constexpr size_t kConstantArguments = 1;

}  // namespace

ProbeSet::ProbeSet(const FileSystem& fs) {
  libbpf_set_print(KeepWarning);
  const std::array<const Hooks*, kProbes> hooks = {&fs.fault, &kSyncHooks, &fs.commit,
                                                   &fs.fast_commit};
  for (size_t i = 0; i < kProbes; ++i) {
    status_.at(i).id = kRows[i].id;
    if (i == static_cast<size_t>(ProbeId::k_sync) && !fs.dax) continue;  // no fault syncs there
    Load(i, *hooks.at(i));
  }
}

void ProbeSet::Retarget(ProbeId id, const Hooks& hooks) {
  const auto index = static_cast<size_t>(id);
  loaded_.at(index).reset();
  status_.at(index) = {};
  status_.at(index).id = kRows[index].id;
  Load(index, hooks);
}

void ProbeSet::Load(size_t index, const Hooks& hooks) {
  for (const MeansRow& means : kMeans) {
    for (const Hook& hook : hooks) {
      if (hook.function == nullptr || loaded_.at(index)) continue;
      Warnings().clear();
      auto candidate = std::make_unique<Loaded>();
      size_t size = 0;
      const void* elf = kRows[index].elf(&size);
      candidate->object = bpf_object__open_mem(elf, size, nullptr);
      candidate->means = means.means;
      candidate->function = hook.function;
      bool good =
          candidate->object != nullptr &&
          SetConstant<fl_u32>(candidate->object, kConstantType, static_cast<fl_u32>(index)) &&
          SetConstant<fl_u32>(candidate->object, kConstantArguments, hook.arguments);
      if (good) {
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, candidate->object) {
          bpf_program__set_autoload(program, false);
        }
        for (const auto& [name, slot] : {std::pair{means.enter, &candidate->enter},
                                         std::pair{means.leave, &candidate->leave}}) {
          *slot = bpf_object__find_program_by_name(candidate->object, name);
          bpf_program__set_autoload(*slot, true);
          if (means.means == Means::kFentry &&
              bpf_program__set_attach_target(*slot, 0, hook.function) != 0) {
            good = false;
          }
        }
      }
      good = good && bpf_object__load(candidate->object) == 0;
      // A kprobe's function is looked up only when it is attached: try now, say now.
      if (good && means.means == Means::kKprobe) {
        good = candidate->Attach();
        candidate->Detach();
      }
      if (!good) {
        status_.at(index).error =
            fmt::format("{} on {}: {}", means.name, hook.function, Reason("refused"));
        continue;
      }
      candidate->state_fd = bpf_object__find_map_fd_by_name(candidate->object, ".data.state");
      candidate->samples_fd = bpf_object__find_map_fd_by_name(candidate->object, "samples");
      status_.at(index).target = hook.function;
      status_.at(index).means = means.name;
      loaded_.at(index) = std::move(candidate);
    }
  }
}

ProbeSet::ProbeSet() = default;
ProbeSet::~ProbeSet() = default;

const ProbeStatus& ProbeSet::status(ProbeId id) const {
  return status_.at(static_cast<size_t>(id));
}

void ProbeSet::Attach() {
  for (size_t i = 0; i < kProbes; ++i) {
    Warnings().clear();
    if (loaded_.at(i) && !loaded_.at(i)->Attach()) {
      Detach();
      throw Failure(ExitCode::kRegression,
                    fmt::format("probe {} does not attach to {}: {}", status_.at(i).id,
                                status_.at(i).target, Reason("refused")));
    }
  }
}

void ProbeSet::Detach() {
  for (const auto& probe : loaded_) {
    if (probe) probe->Detach();
  }
}

void ProbeSet::Reset(pid_t process, bool sampling) {
  for (size_t i = 0; i < kProbes; ++i) {
    if (!loaded_.at(i)) continue;
    fl_state state{};
    state.tgid = kRows[i].one_process ? static_cast<fl_u32>(process) : 0;
    state.sampling = sampling ? 1 : 0;
    const fl_u32 key = 0;
    if (bpf_map_update_elem(loaded_.at(i)->state_fd, &key, &state, 0) != 0) {
      throw Failure(ExitCode::kRegression, fmt::format("probe {}: cannot reset its counters: {}",
                                                       status_.at(i).id, std::strerror(errno)));
    }
  }
}

ProbeReading ProbeSet::Read(ProbeId id) const {
  ProbeReading reading{};
  const auto& probe = loaded_.at(static_cast<size_t>(id));
  if (!probe) return reading;
  const fl_u32 key = 0;
  if (bpf_map_lookup_elem(probe->state_fd, &key, &reading.state) != 0) {
    throw Failure(ExitCode::kRegression, fmt::format("probe {}: cannot read its counters: {}",
                                                     status(id).id, std::strerror(errno)));
  }
  for (const bpf_program* program : {probe->enter, probe->leave}) {
    bpf_prog_info info{};
    fl_u32 length = sizeof info;
    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length) == 0) {
      reading.recursion += info.recursion_misses;
    }
  }
  return reading;
}

std::vector<fl_sample> ProbeSet::DrainSamples() {
  std::vector<fl_sample> samples;
  for (const auto& probe : loaded_) {
    if (!probe) continue;
    ring_buffer* ring = ring_buffer__new(
        probe->samples_fd,
        [](void* into, void* data, size_t size) {
          if (size >= sizeof(fl_sample)) {
            static_cast<std::vector<fl_sample>*>(into)->push_back(*static_cast<fl_sample*>(data));
          }
          return 0;
        },
        &samples, nullptr);
    if (ring == nullptr) {
      throw Failure(ExitCode::kRegression, fmt::format("ring buffer: {}", std::strerror(errno)));
    }
    ring_buffer__consume(ring);
    ring_buffer__free(ring);
  }
  std::sort(samples.begin(), samples.end(),
            [](const fl_sample& a, const fl_sample& b) { return a.start < b.start; });
  return samples;
}

}  // namespace faultline

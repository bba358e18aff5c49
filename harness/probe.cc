// SPDX-License-Identifier: GPL-2.0-only
#include "harness/probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/bpf.h>
#include <probes.skel.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <optional>
#include <tuple>

#include "cell/failure.h"

namespace faultline {
namespace {

// libbpf reports through a callback; what it said since the last clear().
std::string& warnings() {
  static std::string text;
  return text;
}

int keep_warning(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  std::array<char, 4096> line{};
  std::vsnprintf(line.data(), line.size(), format, arguments);
  warnings() += line.data();
  return static_cast<int>(std::strlen(line.data()));
}

// The line of the warnings that tells most: the verifier's verdict, which stands before its count
// of instructions, or else the first.
std::string why_refused(const char* otherwise) {
  const std::string& text = warnings();
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

// The constants in bpf/probe.bpf.h.
struct Constants {
  bool sampling = false;
  bool small_ring = false;
  unsigned handler_arguments = 1;
  unsigned lock_write_index = 2;
};

// Where `write` stands among the arguments of the mmap_lock tracepoints: they began with the mm and
// its memcg's path, later its id, later no memcg (between 6.12 and 7.2). The prototype of a
// tracepoint's function has a leading `void *__data`.
unsigned lock_write_index() {
  btf* kernel = btf__load_vmlinux_btf();
  if (kernel == nullptr) return 2;
  unsigned index = 2;
  const int id =
      btf__find_by_name_kind(kernel, "btf_trace_mmap_lock_start_locking", BTF_KIND_TYPEDEF);
  if (id > 0) {
    const btf_type* type = btf__type_by_id(kernel, static_cast<fl_u32>(id));
    while (type != nullptr && (btf_is_typedef(type) || btf_is_ptr(type))) {
      type = btf__type_by_id(kernel, type->type);
    }
    if (type != nullptr && btf_is_func_proto(type) && btf_vlen(type) == 3) index = 1;
  }
  btf__free(kernel);
  return index;
}

bpf_object* open_object(const Constants& constants) {
  size_t size = 0;
  const void* elf = probes_bpf__elf_bytes(&size);
  bpf_object* object = bpf_object__open_mem(elf, size, nullptr);
  if (object == nullptr) return nullptr;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) bpf_program__set_autoload(program, false);
  // The object's constants, as probe.bpf.h lays them out: three words.
  const std::array<fl_u32, 3> values = {constants.sampling ? 1U : 0U, constants.handler_arguments,
                                        constants.lock_write_index};
  bpf_map* map = bpf_object__find_map_by_name(object, ".rodata");
  if (constants.small_ring) {
    bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "samples"), 4096);
  }
  if (map == nullptr || bpf_map__set_initial_value(map, values.data(), sizeof values) != 0) {
    warnings() += "the object's .rodata is not as expected";
    bpf_object__close(object);
    return nullptr;
  }
  return object;
}

// Readies a program for loading; false with a warning when the kernel has no such function.
bool prepare(bpf_object* object, const Attachment& way) {
  bpf_program* program = bpf_object__find_program_by_name(object, way.program.c_str());
  if (program == nullptr) {
    warnings() += fmt::format("no program {}", way.program);
    return false;
  }
  if (way.means == Means::kFentry || way.means == Means::kFexit) {
    if (bpf_program__set_attach_target(program, 0, way.targets.front().c_str()) != 0) {
      warnings() = fmt::format("no BTF for {}\n", way.targets.front());
      return false;
    }
  }
  bpf_program__set_autoload(program, true);
  return true;
}

}  // namespace

struct ProbeSet::Loaded {
  bpf_object* object = nullptr;
  std::vector<std::pair<size_t, const Attachment*>> ways;  // index of the point, how
  std::vector<bpf_link*> links;

  Loaded() = default;
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;
  ~Loaded() {
    detach();
    bpf_object__close(object);
  }

  [[nodiscard]] int map(const char* name) const {
    return bpf_object__find_map_fd_by_name(object, name);
  }

  bool attach_one(const Attachment& way) {
    bpf_program* program = bpf_object__find_program_by_name(object, way.program.c_str());
    for (const std::string& target : way.targets) {
      bpf_link* link = nullptr;
      switch (way.means) {
        case Means::kRawTracepoint:
          link = bpf_program__attach_raw_tracepoint(program, target.c_str());
          break;
        case Means::kFentry:
        case Means::kFexit:
          link = bpf_program__attach_trace(program);
          break;
        case Means::kKprobe:
        case Means::kKretprobe:
          link =
              bpf_program__attach_kprobe(program, way.means == Means::kKretprobe, target.c_str());
          break;
      }
      if (link == nullptr) {
        const int error = errno;
        if (warnings().empty()) warnings() = std::strerror(error);
        return false;
      }
      links.push_back(link);
    }
    return true;
  }

  void detach() {
    for (bpf_link* link : links) bpf_link__destroy(link);
    links.clear();
  }
};

namespace {

// include/linux/interrupt.h, the order since v4.7.
constexpr const char* kSoftirqs[] = {"HI",       "TIMER",   "NET_TX", "NET_RX",  "BLOCK",
                                     "IRQ_POLL", "TASKLET", "SCHED",  "HRTIMER", "RCU"};
constexpr const char* kInterruptionKinds[] = {
#define INTERRUPTION(id, what) #id,
#include "bpf/interruptions.def"
#undef INTERRUPTION
};

std::vector<Interruption> read_interruptions(int map) {
  std::vector<Interruption> seen;
  fl_interruption_key key{};
  const fl_interruption_key* before = nullptr;
  fl_interruption_key last{};
  while (bpf_map_get_next_key(map, before, &key) == 0) {
    fl_interruption figures{};
    if (bpf_map_lookup_elem(map, &key, &figures) == 0) {
      std::string name(key.name, strnlen(key.name, sizeof key.name));
      uint64_t function = key.what;
      if (key.kind == FL_INTERRUPTION_softirq && key.what < std::size(kSoftirqs)) {
        name = kSoftirqs[key.what];
        function = 0;
      } else if (key.kind == FL_INTERRUPTION_tick) {
        name = "local_timer";
      }
      seen.push_back({.kind = kInterruptionKinds[key.kind],
                      .function = function,
                      .name = name,
                      .count = figures.count,
                      .sum = figures.sum,
                      .max = figures.max});
    }
    last = key;
    before = &last;
  }
  // A hash map has no order that would be the same in every guest.
  std::sort(seen.begin(), seen.end(), [](const Interruption& a, const Interruption& b) {
    return std::tie(a.kind, a.function, a.name) < std::tie(b.kind, b.function, b.name);
  });
  return seen;
}

std::string words_of(const Attachment& way) {
  return fmt::format("{} on {}", means_name(way.means), fmt::join(way.targets, ","));
}

// Tells whether this way works by itself on this kernel: found, loaded, attached and detached.
std::string why_not_alone(const Attachment& way, const Constants& constants) {
  warnings().clear();
  bpf_object* object = open_object(constants);
  if (object == nullptr) return why_refused("the object does not open");
  std::string reason;
  if (!prepare(object, way) || bpf_object__load(object) != 0) reason = why_refused("refused");
  bpf_object__close(object);
  return reason;
}

}  // namespace

ProbeSet::ProbeSet(const ProbeChoice& choice, const FileSystem& fs)
    : choice_(choice), table_(points_of(choice, fs)), loaded_(std::make_unique<Loaded>()) {
  libbpf_set_print(keep_warning);
  Constants constants;
  constants.sampling = choice.sampling;
  constants.small_ring = sees(choice.probes, kAddsBallast);
  if (sees(choice.probes, kSeesLocks)) constants.lock_write_index = lock_write_index();
  for (const Point& point : table_) {
    status_.push_back({.id = point.id});
  }

  // The way of each point that is tried next.
  std::vector<size_t> next(table_.size(), 0);
  bool alone = false;
  const auto drop = [&](size_t index, const std::string& why) {
    status_.at(index).error =
        fmt::format("{}: {}", words_of(table_.at(index).ways.at(next[index])), why);
    ++next[index];
  };
  const auto instead = [&](const Point& point) {
    if (point.instead.empty()) return true;
    for (size_t i = 0; i < table_.size(); ++i) {
      if (table_.at(i).id == point.instead) return next[i] >= table_.at(i).ways.size();
    }
    return true;
  };
  // What a trial attachment refuses goes on to its next way, and the object is loaded anew.
  for (;;) {
    loaded_ = std::make_unique<Loaded>();
    warnings().clear();
    // A handler's number of arguments belongs to the way that is taken.
    for (size_t i = 0; i < table_.size(); ++i) {
      if (next[i] < table_[i].ways.size() && table_[i].ways[next[i]].arguments != 0)
        constants.handler_arguments = table_[i].ways[next[i]].arguments;
    }
    loaded_->object = open_object(constants);
    if (loaded_->object == nullptr) {
      for (PointStatus& status : status_) status.error = why_refused("the object does not open");
      return;
    }
    for (size_t i = 0; i < table_.size(); ++i) {
      const Point& point = table_.at(i);
      if (!instead(point)) continue;
      while (next[i] < point.ways.size()) {
        warnings().clear();
        std::string why;
        if (alone) why = why_not_alone(point.ways[next[i]], constants);
        if (why.empty()) {
          if (prepare(loaded_->object, point.ways[next[i]])) break;
          why = why_refused("not there");
        }
        drop(i, why);
      }
      if (next[i] < point.ways.size()) loaded_->ways.emplace_back(i, &point.ways[next[i]]);
    }
    warnings().clear();
    if (bpf_object__load(loaded_->object) != 0) {
      if (alone) {
        for (PointStatus& status : status_) status.error = why_refused("refused");
        loaded_->ways.clear();
        break;
      }
      // Which one it is says only a load of each by itself.
      alone = true;
      continue;
    }
    bool again = false;
    for (const auto& [index, way] : loaded_->ways) {
      // fentry and fexit are held against the kernel at load.
      if (way->means == Means::kFentry || way->means == Means::kFexit) continue;
      warnings().clear();
      if (!loaded_->attach_one(*way)) {
        drop(index, why_refused("refused"));
        again = true;
      }
      loaded_->detach();
    }
    if (!again) break;
  }
  for (const auto& [index, way] : loaded_->ways) {
    status_.at(index).target = fmt::format("{}", fmt::join(way->targets, ","));
    status_.at(index).means = means_name(way->means);
  }
  for (size_t i = 0; i < table_.size(); ++i) {
    if (status_[i].means.empty() && status_[i].error.empty() && !instead(table_[i]))
      status_[i].error = fmt::format("not needed beside {}", table_[i].instead);
  }
}

ProbeSet::~ProbeSet() = default;

const PointStatus* find_point(std::span<const PointStatus> points, const std::string& id) {
  for (const PointStatus& status : points) {
    if (status.id == id && !status.means.empty()) return &status;
  }
  return nullptr;
}

std::string ProbeSet::why_not() const {
  for (size_t i = 0; i < table_.size(); ++i) {
    if (table_[i].required && status_[i].means.empty()) {
      return fmt::format("the probe {} has no way here: {}", status_[i].id,
                         table_[i].ways.empty() ? "none is known for faults of this file system"
                                                : status_[i].error);
    }
  }
  return "";
}

void ProbeSet::attach() {
  for (const auto& [index, way] : loaded_->ways) {
    warnings().clear();
    if (!loaded_->attach_one(*way)) {
      const std::string reason = why_refused("refused");
      detach();
      throw Failure(ExitCode::kRegression,
                    fmt::format("probe {} does not attach by {}: {}", table_.at(index).id,
                                words_of(*way), reason));
    }
  }
}

void ProbeSet::detach() { loaded_->detach(); }

void ProbeSet::reset(pid_t process, dev_t device) {
  fl_state state{};
  state.tgid = static_cast<fl_u32>(process);
  // include/linux/kdev_t.h, MKDEV().
  state.device = device == 0 ? 0 : fl_u64{major(device)} << 20 | minor(device);
  const std::vector<fl_thread> threads(FL_THREADS);
  const fl_u32 key = 0;
  if (bpf_map_update_elem(loaded_->map(".bss"), &key, threads.data(), 0) != 0 ||
      bpf_map_update_elem(loaded_->map(".data.state"), &key, &state, 0) != 0) {
    throw Failure(ExitCode::kRegression,
                  fmt::format("cannot reset the probes' counters: {}", std::strerror(errno)));
  }
  // What was open belongs to the time before.
  const std::array<fl_open, std::size_t{FL_CPUS} * FL_INTERRUPTIONS> none{};
  if (bpf_map_update_elem(loaded_->map(".data.opened"), &key, none.data(), 0) != 0) {
    throw Failure(ExitCode::kRegression,
                  fmt::format("cannot reset the probes' interruptions: {}", std::strerror(errno)));
  }
  const int map = loaded_->map("interruptions");
  fl_interruption_key seen{};
  while (bpf_map_get_next_key(map, nullptr, &seen) == 0) bpf_map_delete_elem(map, &seen);
}

ProbeReading ProbeSet::read() const {
  ProbeReading reading;
  std::vector<fl_thread> threads(FL_THREADS);
  const fl_u32 key = 0;
  if (bpf_map_lookup_elem(loaded_->map(".data.state"), &key, &reading.state) != 0 ||
      bpf_map_lookup_elem(loaded_->map(".bss"), &key, threads.data()) != 0) {
    throw Failure(ExitCode::kRegression,
                  fmt::format("cannot read the probes' counters: {}", std::strerror(errno)));
  }
  if (sees(choice_.probes, kSeesInterruptions)) {
    reading.interruptions = read_interruptions(loaded_->map("interruptions"));
  }
  const auto of = [&](ProbeId id) -> Distribution& {
    return reading.events.at(static_cast<size_t>(id));
  };
  for (const fl_thread& thread : threads) {
    for (fl_u32 n = 0; n < thread.faults && n < FL_LOG; ++n)
      of(ProbeId::k_fault).add(thread.fault_log[n]);
    for (fl_u32 n = 0; n < thread.syncs && n < FL_LOG; ++n)
      of(ProbeId::k_sync).add(thread.sync_log[n]);
    for (size_t i = 0; i < FL_PHASES; ++i) reading.phases.at(i) += thread.phases[i];
    for (size_t i = 0; i < FL_MARKS_END; ++i) reading.marks.at(i) += thread.marks[i];
    reading.huge += thread.huge;
    reading.waited += thread.waited;
    const bool locked = std::any_of(std::begin(thread.locks), std::end(thread.locks),
                                    [](const fl_lock& lock) { return lock.count != 0; });
    if (thread.faults != 0 || locked) reading.threads.push_back(thread);
  }
  of(ProbeId::k_fault).add(reading.state.faults);
  of(ProbeId::k_sync).add(reading.state.syncs);
  of(ProbeId::k_commit).add(reading.state.commits);
  of(ProbeId::k_fast_commit).add(reading.state.fast_commits);
  for (const auto& [index, way] : loaded_->ways) {
    bpf_prog_info info{};
    fl_u32 length = sizeof info;
    const bpf_program* program =
        bpf_object__find_program_by_name(loaded_->object, way->program.c_str());
    if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length) == 0) {
      reading.recursion += info.recursion_misses;
    }
  }
  return reading;
}

std::vector<fl_sample> ProbeSet::drain_samples() {
  std::vector<fl_sample> samples;
  ring_buffer* ring = ring_buffer__new(
      loaded_->map("samples"),
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
  // What contains another comes before it.
  std::stable_sort(samples.begin(), samples.end(), [](const fl_sample& a, const fl_sample& b) {
    return a.start != b.start ? a.start < b.start : a.duration > b.duration;
  });
  return samples;
}

ProbeSets::ProbeSets(const FileSystem& fs, bool one_process, Loading loading)
    : fs_(fs), one_process_(one_process) {
  if (loading == Loading::kWhenAsked) return;
  costs_ = std::make_unique<BpfCosts>(fs_);
  for (size_t i = 0; i < std::size(kProbeSets); ++i) {
    set_for({.probes = static_cast<Probes>(i), .one_process = one_process_});
  }
}

ProbeSet* ProbeSets::set_for(ProbeChoice choice) {
  choice.one_process = one_process_;
  if (choice.probes == Probes::k_off || sees(choice.probes, kRunsAProgram)) return nullptr;
  auto& set = sets_[choice];
  if (!set) set = std::make_unique<ProbeSet>(choice, fs_);
  return set.get();
}

void ProbeSets::attach_program(Probes set) {
  if (!sees(set, kRunsAProgram)) return;
  if (!costs_) costs_ = std::make_unique<BpfCosts>(fs_);
  costs_->attach(set);
}

void ProbeSets::detach_program() {
  if (costs_) costs_->detach();
}

nlohmann::json ProbeSets::report() const {
  nlohmann::json report = nlohmann::json::array();
  for (const auto& [choice, set] : sets_) {
    if (row_of(choice.probes).selftest) continue;
    for (const PointStatus& status : set->points()) {
      report.push_back({{"set", id_of(choice.probes)},
                        {"id", status.id},
                        {"target", status.target},
                        {"means", status.means},
                        {"error", status.error}});
    }
  }
  return report;
}

}  // namespace faultline

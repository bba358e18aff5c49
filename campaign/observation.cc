// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/observation.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "cell/strategy.h"
#include "cell/words.h"
#include "cell/workload.h"
#include "harness/wire.h"
#include "vm/files.h"
#include "vm/qemu.h"

namespace faultline {

namespace fs = std::filesystem;

namespace {

std::vector<FunctionCost> dearest_first(const std::map<std::string, std::uint64_t>& functions) {
  std::vector<FunctionCost> costs(functions.begin(), functions.end());
  std::stable_sort(costs.begin(), costs.end(), [](const FunctionCost& a, const FunctionCost& b) {
    return a.second > b.second;
  });
  return costs;
}

// What a loop of so many pages has of each event, per page.
auto events_per_page(const observe::Profile& profile, Count pages) {
  return [&profile, pages](observe::Event event) {
    return static_cast<double>(profile.event(event)) / static_cast<double>(pages);
  };
}

// Bytes stored to pmem, by function.
std::map<std::string, std::uint64_t> writers_of(const observe::Profile& profile) {
  std::map<std::string, std::uint64_t> writers;
  for (const auto& [stack, events] : profile.stack_events) {
    const std::uint64_t bytes = events[static_cast<std::size_t>(observe::Event::kBytes)];
    if (bytes != 0) writers[observe::frame_name(stack, stack.size() - 1)] += bytes;
  }
  return writers;
}

}  // namespace

std::string inflated(const std::string& packed) {
  constexpr std::size_t kMost = std::size_t{64} << 20;
  std::string text;
  for (std::size_t room = packed.size() * 8 + 4096; room <= kMost; room *= 2) {
    text.resize(room);
    uLongf size = room;
    const int rc = uncompress(reinterpret_cast<Bytef*>(text.data()), &size,
                              reinterpret_cast<const Bytef*>(packed.data()), packed.size());
    if (rc == Z_BUF_ERROR) continue;
    if (rc != Z_OK) break;
    text.resize(size);
    return text;
  }
  return "";
}

ObserveWish observe_named(const std::string& list) {
  constexpr std::pair<std::string_view, bool ObserveWish::*> kObserved[] = {
      {"profile", &ObserveWish::profile},
      {"vector", &ObserveWish::vector},
      {"caches", &ObserveWish::caches}};
  ObserveWish wish;
  for (const std::string& name : split_list(list)) {
    const auto* found = std::find_if(std::begin(kObserved), std::end(kObserved),
                                     [&](const auto& one) { return one.first == name; });
    if (found == std::end(kObserved)) {
      std::vector<std::string_view> names;
      for (const auto& one : kObserved) names.push_back(one.first);
      throw Failure(ExitCode::kUsage,
                    fmt::format("--observe: nothing is called '{}'; there are: {}", name,
                                fmt::join(names, ", ")));
    }
    wish.*(found->second) = true;
  }
  return wish;
}

observe::Geometry geometry_named(const std::string& name, const fs::path& folder) {
  fs::path file = folder / (name.empty() ? "cascadelake.toml" : name + ".toml");
  if (name.ends_with(".toml")) file = name;
  std::error_code error;
  if (fs::is_regular_file(file, error)) {
    return observe::geometry_of(read_file(file), file.string());
  }
  std::vector<std::string> known;
  if (!folder.empty()) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
      if (entry.path().extension() == ".toml") known.push_back(entry.path().stem().string());
    }
  }
  std::sort(known.begin(), known.end());
  throw Failure(
      ExitCode::kUsage,
      fmt::format("--cache-geometry: there is no {}; there are: {}, or a path that ends in "
                  ".toml",
                  file.string(), fmt::join(known, ", ")));
}

std::string why_not_observed(const Cell& cell, const VmSpec& spec) {
  if (accel_info(spec.accel).time_domain != "virtual") return "instructions count in virtual time";
  if (spec.vcpus > 1) return "several vCPUs take turns where QEMU likes";
  if (cell.is_contest()) return "a contest has no measured loop";
  if (cell.threads > 1 && find_workload(cell.workload)->paced) return "its threads wait in turns";
  return "";
}

Observation::Observation(const VmSpec& spec, const Cell& cell, const ObserveWish& wish,
                         const fs::path& plugin, std::shared_ptr<const observe::Symbols> symbols)
    : spec_(spec),
      lanes_(cell.threads),
      wish_(wish),
      plugin_(plugin),
      symbols_(std::move(symbols)),
      record_(memory_file("")) {
  if (::ftruncate(record_.get(), sizeof(observe::Record)) != 0) {
    throw_io_failure("cannot grow", "the observer's tables", errno);
  }
  const std::vector<observe::PluginSymbol>& list = symbols_->for_plugin();
  for_plugin_ = memory_file(std::string(reinterpret_cast<const char*>(list.data()),
                                        list.size() * sizeof(observe::PluginSymbol)));
}

std::vector<std::string> Observation::qemu_parameters() const {
  std::string plugin =
      fmt::format("{},out={},symbols={},lanes={},low={}", option_value(plugin_.string()),
                  path_of(record_), path_of(for_plugin_), lanes_, spec_.ram_mib);
  if (wish_.vector || wish_.caches) plugin += fmt::format(",pmem={}", spec_.pmem_mib);
  const auto sets = [&](const char* key, const observe::SetsOfWays& size) {
    plugin += fmt::format(",{}={}x{}", key, size.sets, size.ways);
  };
  if (wish_.vector) plugin += ",vector=1";
  if (wish_.vector && wish_.geometry.tlb) sets("tlb", *wish_.geometry.tlb);
  if (wish_.caches) {
    const observe::CacheSizes& caches = wish_.geometry.caches;
    plugin += fmt::format(",line={}", caches.line);
    sets("l1i", caches.l1i);
    sets("l1d", caches.l1d);
    if (caches.l2) sets("l2", *caches.l2);
    sets("llc", caches.llc);
  }
  return {"-plugin", plugin};
}

observe::Profile Observation::profile(const Row& row) const {
  void* at = ::mmap(nullptr, sizeof(observe::Record), PROT_READ, MAP_SHARED, record_.get(), 0);
  if (at == MAP_FAILED) throw_io_failure("cannot map", "the observer's tables", errno);
  const std::unique_ptr<void, void (*)(void*)> mapped(
      at, [](void* mapping) { ::munmap(mapping, sizeof(observe::Record)); });
  // per_page is a quotient of whole numbers below 2^53.
  const auto figure =
      static_cast<std::uint64_t>(std::llround(*row.per_page * static_cast<double>(*row.pages)));
  return observe::profile_of(*static_cast<const observe::Record*>(at), *symbols_, figure);
}

ProfileFigures profile_figures(const observe::Profile& profile, Count pages) {
  ProfileFigures figures{
      .total = profile.total(), .pages = pages, .unattributed = profile.unattributed};
  for (std::size_t i = 0; i < observe::kParties; ++i) {
    if (profile.parties[i] == 0) continue;
    figures.parties[observe::party_name(static_cast<observe::Party>(i))] = profile.parties[i];
  }
  figures.functions = dearest_first(profile.functions);
  return figures;
}

VectorFigures vector_figures(const observe::Profile& profile, const Row& row,
                             const observe::Geometry& geometry) {
  const auto pages = static_cast<double>(*row.pages);
  const auto per_page = events_per_page(profile, *row.pages);
  constexpr double kTouched = 8;  // bytes that Lane::touch() stores
  VectorFigures figures{.bytes = per_page(observe::Event::kBytes),
                        .bytes_nt = per_page(observe::Event::kBytesNt),
                        .lines = per_page(observe::Event::kLines),
                        .blocks256 = per_page(observe::Event::kBlocks256),
                        .flushed = per_page(observe::Event::kFlushed),
                        .fences = per_page(observe::Event::kFences),
                        .fences_idle = per_page(observe::Event::kFencesIdle),
                        .lines_read = per_page(observe::Event::kLinesRead),
                        .tlb_invalidations = per_page(observe::Event::kTlbInvalidations),
                        .locked = per_page(observe::Event::kLocked),
                        .exceptions = per_page(observe::Event::kExceptions)};
  figures.tlb.emplace();
  if (geometry.tlb) {
    figures.tlb_refills = per_page(observe::Event::kTlbRefills);
    figures.tlb.emplace(observe::describe_tlb(*geometry.tlb));
  }
  if (profile.flush_addresses) figures.flushed_clean = per_page(observe::Event::kFlushedClean);
  if (row.journal && row.journal->kernel.log_bytes) {
    figures.journal_bytes = static_cast<double>(*row.journal->kernel.log_bytes) / pages;
  } else if (row.journal && row.journal->kernel.commits) {
    figures.journal_bytes = static_cast<double>(profile.journal_bytes) / pages;
  }
  figures.writers = dearest_first(writers_of(profile));
  const double changed = kTouched * static_cast<double>(*row.touches) *
                         static_cast<double>(row.stores_per_page.value_or(1));
  figures.amplification = static_cast<double>(profile.event(observe::Event::kBytes)) / changed;
  return figures;
}

CacheFigures cache_figures(const observe::Profile& profile, Count pages,
                           const observe::Geometry& geometry) {
  const auto per_page = events_per_page(profile, pages);
  CacheFigures figures{.geometry = observe::describe(geometry),
                       .l1i_misses = per_page(observe::Event::kL1iMisses),
                       .l1d_misses = per_page(observe::Event::kL1dMisses),
                       .dram_reads = per_page(observe::Event::kDramReads),
                       .pmem_reads = per_page(observe::Event::kPmemReads),
                       .dram_writes = per_page(observe::Event::kDramWrites),
                       .pmem_writes = per_page(observe::Event::kPmemWrites),
                       .flushes_seen = profile.flush_addresses};
  if (geometry.caches.l2) figures.l2_misses = per_page(observe::Event::kL2Misses);
  figures.llc_misses = static_cast<double>(profile.event(observe::Event::kDramReads) +
                                           profile.event(observe::Event::kPmemReads)) /
                       static_cast<double>(pages);
  return figures;
}

std::shared_ptr<const observe::Symbols> KernelSymbols::obtain(StateCache& states,
                                                              const VmSpec& spec, const Cell& cell,
                                                              const Deadlines& deadlines,
                                                              const std::atomic<bool>& cancel,
                                                              std::string& why) {
  // A delay that is planted brings a function of its own.
  const std::string key =
      states.key_of(spec) + (cell.delay == 0 ? "" : fmt::format("-{}", cell.delay));
  const std::lock_guard lock(mutex_);
  if (const auto known = known_.find(key); known != known_.end()) return known->second;
  const fs::path file = folder_ / key;
  std::error_code error;
  std::string packed;
  if (fs::exists(file, error)) packed = read_file(file);
  if (packed.empty()) {
    const GuestOutcome outcome = states.run_cell(spec, cell_to_json(cell).dump(), deadlines,
                                                 [&](const wire::Frame& frame) {
                                                   if (frame.type == wire::kSymbols)
                                                     packed = frame.payload;
                                                 },
                                                 cancel, {.qemu_parameters = {}, .symbols = true});
    if (packed.empty()) {
      why = outcome.ok() ? "the guest did not send its kernel's symbols" : outcome.message;
      return nullptr;
    }
    make_dirs(folder_);
    write_file(file, packed);
  }
  auto symbols =
      std::make_shared<const observe::Symbols>(observe::Symbols::of_kallsyms(inflated(packed)));
  if (symbols->size() == 0) {
    why = "the guest's /proc/kallsyms tells no addresses";
    return nullptr;
  }
  known_[key] = symbols;
  return symbols;
}

}  // namespace faultline

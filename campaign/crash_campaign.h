// SPDX-License-Identifier: GPL-2.0-only
// The crash test as a campaign: for each strategy and file system one guest that writes, and guests
// that recover what the power left of it. Writes OUT/crashtest.json as it goes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "campaign/context.h"
#include "cell/crash_writer.h"
#include "cell/failure.h"
#include "vm/kernel_table.h"

namespace faultline {

inline constexpr char kCrashName[] = "crashtest.json";
// The smallest piece that is whole when the power goes.
inline constexpr char kTearSector[] = "sector";  // that the file system was made for
inline constexpr char kTearStore[] = "store";    // a store of the CPU, as pmem does
// How stores become durable.
inline constexpr char kModelPx86[] = "px86";    // when written back and fenced, as a CPU does
inline constexpr char kModelOrder[] = "order";  // at once
inline constexpr char kMutateFlushes[] = "flushes";

// What DIR/crashtest.json holds; an empty context if there is none, or it is damaged.
// NOLINTNEXTLINE(bugprone-exception-escape): json's move checks itself, and does not throw.
struct ReadCrashTest {
  nlohmann::json context = {};
  std::vector<nlohmann::json> tests = {};
};
ReadCrashTest read_crash_test(const std::filesystem::path& dir);

struct CrashWish {
  std::string kernel = kernel_table().front().id;
  std::string modules = {};  // of a kernel that is a path
  std::string strategy =
      "volatile,fsync:8,msync:8,map_sync,prealloc,pwrite,sync_fault,sync_retry,sync_retry_extent,"
      "sync_retry_once,sync_retry_strict,daxfile,daxfile_nocmtime";
  std::string file_systems = "ext4,xfs";
  std::string write = {};                 // writers of cell/crash_writer.h; empty: kPagesWriter
  std::string run = {};                   // a program of the user's instead, with its arguments
  std::string state = {};                 // empty: the first that a strategy has
  std::size_t points = 50;                // how often the power goes
  std::optional<std::size_t> point = {};  // this one alone; its image is kept
  std::uint64_t seed = 0;                 // of the order of writes, and of the points
  std::size_t pages = 96;                 // of the file
  unsigned rounds = 2;                    // how often each page is written
  unsigned jobs = 0;                      // guests side by side; 0: cores
  std::string model = {};                 // empty: px86 where QEMU can
  std::size_t images = 8;                 // of a point, at most; px86
  std::optional<std::size_t> image = {};  // of a point this one alone
  bool report = false;                    // of the first loss at `point`, as files in `out`
  bool brute = false;                     // every image is recovered, though another was like it
  std::string mutate = {};                // kMutateFlushes
  std::string plant = {};                 // an id of cell/crash_writer.h
  std::string tear = kTearSector;
  std::string out = "crashtest";
  double boot_s = 300;
  double cell_s = 300;
  bool force = false;  // replace a crash test that is there
  // A crash test of the same wish, in `out`, to go on with: what is `ok` in it is not tested again.
  std::optional<ReadCrashTest> resume = {};
  bool quiet = false;
};

struct CrashEnd {
  ExitCode code = ExitCode::kPass;
  std::vector<nlohmann::json> tests = {};  // as in crashtest.json
};

// Failure(kUsage) before anything is written when the wish cannot be.
CrashEnd run_crash_campaign(const CrashWish& wish, const CommandContext& context);

}  // namespace faultline

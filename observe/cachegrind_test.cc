// SPDX-License-Identifier: GPL-2.0-only
// The model beside valgrind's cachegrind, on the same program (cachegrind_loop.cc): valgrind's
// lackey tells its accesses, which the model is given.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "observe/caches.h"

namespace faultline::observe {
namespace {

namespace fs = std::filesystem;

// As cachegrind counts them: accesses, of which the first level and the last have missed.
struct Counted {
  std::uint64_t all = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool operator==(const Counted&) const = default;
};
struct AllCounted {
  Counted instructions = {};
  Counted reads = {};
  Counted writes = {};
  bool operator==(const AllCounted&) const = default;
};
void PrintTo(const AllCounted& counted, std::ostream* out) {
  for (const Counted& one : {counted.instructions, counted.reads, counted.writes}) {
    *out << one.all << " " << one.first << " " << one.last << ", ";
  }
}

// What the model comes to, by lines, and how an access differs from its lines.
struct Modelled {
  AllCounted accesses = {};
  CacheCounts lines = {};
  std::uint64_t straddling = 0;   // accesses of two lines
  std::uint64_t both_missed = 0;  // of these that missed both: two misses where cachegrind has one
};

Modelled model(const fs::path& trace, const CacheSizes& sizes) {
  Caches caches(sizes, UINT64_MAX);
  Modelled sum;
  std::ifstream lines(trace);
  for (std::string line; std::getline(lines, line);) {
    // `I  address,size`, ` L address,size`, ` S ...`, ` M ...`
    char kind = 0;
    unsigned long long address = 0;  // NOLINT: as sscanf() has it
    unsigned long long bytes = 0;    // NOLINT
    const std::size_t start = line.find_first_not_of(' ');
    if (start == std::string::npos || start > 1) continue;
    if (std::sscanf(line.c_str() + start, "%c %llx,%llu", &kind, &address, &bytes) != 3) continue;
    if (kind != 'I' && kind != 'L' && kind != 'S' && kind != 'M') continue;
    Counted& counted = kind == 'I'   ? sum.accesses.instructions
                       : kind == 'S' ? sum.accesses.writes
                                     : sum.accesses.reads;
    if (kind == 'I') caches.fetch(address, bytes);
    if (kind == 'L') caches.load(address, bytes);
    // Changed in place: cachegrind has it as a read.
    if (kind == 'S' || kind == 'M') caches.store(address, bytes);
    const CacheCounts counts = caches.take();
    const std::uint64_t missed = counts.l1i + counts.l1d;
    ++counted.all;
    counted.first += missed != 0 ? 1 : 0;
    counted.last += counts.llc[0] != 0 ? 1 : 0;
    sum.lines.l1i += counts.l1i;
    sum.lines.l1d += counts.l1d;
    sum.lines.llc[0] += counts.llc[0];
    sum.straddling += address / sizes.line != (address + bytes - 1) / sizes.line ? 1 : 0;
    sum.both_missed += missed > 1 ? 1 : 0;
  }
  return sum;
}

// The events of its file's last line.
AllCounted read_cachegrind(const fs::path& file) {
  AllCounted found;
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("events:")) {
      EXPECT_EQ(line, "events: Ir I1mr ILmr Dr D1mr DLmr Dw D1mw DLmw ");
    }
    if (!line.starts_with("summary:")) continue;
    std::istringstream numbers(line.substr(line.find(':') + 1));
    for (Counted* one : {&found.instructions, &found.reads, &found.writes}) {
      numbers >> one->all >> one->first >> one->last;
    }
  }
  return found;
}

int run(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str());  // NOLINT: words of ours alone
}

class Cachegrind : public testing::Test {
 protected:
  void SetUp() override {
    if (run("valgrind --version") != 0) GTEST_SKIP() << "no valgrind is installed";
    std::string name = fs::temp_directory_path() / "faultline-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    ASSERT_EQ(run("valgrind --tool=lackey --trace-mem=yes --log-file=" + trace().string() + " " +
                  FAULTLINE_CACHEGRIND_LOOP),
              0);
  }
  void TearDown() override {
    std::error_code error;
    if (!folder_.empty()) fs::remove_all(folder_, error);
  }
  [[nodiscard]] fs::path trace() const { return folder_ / "trace"; }
  [[nodiscard]] AllCounted cachegrind(const CacheSizes& sizes) const {
    const auto option = [&](const SetsOfWays& size) {
      return std::to_string(size.sets * size.ways * sizes.line) + "," + std::to_string(size.ways) +
             "," + std::to_string(sizes.line);
    };
    const fs::path out = folder_ / "out";
    EXPECT_EQ(run("valgrind --tool=cachegrind --cache-sim=yes --I1=" + option(sizes.l1i) +
                  " --D1=" + option(sizes.l1d) + " --LL=" + option(sizes.llc) +
                  " --cachegrind-out-file=" + out.string() + " " + FAULTLINE_CACHEGRIND_LOOP),
              0);
    return read_cachegrind(out);
  }

  fs::path folder_;
};

TEST_F(Cachegrind, CountsTheSameMissesToTheLast) {
  // The program's 16384 lines are more than any last level here but the last has.
  const std::array<CacheSizes, 3> all = {CacheSizes{.line = 64,
                                                    .l1i = {.sets = 64, .ways = 8},
                                                    .l1d = {.sets = 64, .ways = 8},
                                                    .llc = {.sets = 512, .ways = 16}},
                                         CacheSizes{.line = 64,
                                                    .l1i = {.sets = 1, .ways = 2},
                                                    .l1d = {.sets = 16, .ways = 2},
                                                    .llc = {.sets = 256, .ways = 4}},
                                         CacheSizes{.line = 64,
                                                    .l1i = {.sets = 64, .ways = 8},
                                                    .l1d = {.sets = 64, .ways = 12},
                                                    .llc = {.sets = 32768, .ways = 11}}};
  for (const CacheSizes& sizes : all) {
    const Modelled ours = model(trace(), sizes);
    EXPECT_GT(ours.accesses.reads.all, 70000U) << "lackey told the accesses";
    EXPECT_GT(ours.straddling, 2000U);
    EXPECT_EQ(ours.accesses, cachegrind(sizes)) << sizes.llc.sets;
    // By lines the model has more: an access that misses two lines is two of its misses.
    EXPECT_EQ(ours.lines.l1i + ours.lines.l1d, ours.accesses.instructions.first +
                                                   ours.accesses.reads.first +
                                                   ours.accesses.writes.first + ours.both_missed);
    std::printf("LLC of %d KiB: ", static_cast<int>(sizes.llc.sets * sizes.llc.ways / 16));
    std::printf("%llu accesses of two lines, %llu missed both\n",
                static_cast<unsigned long long>(ours.straddling),    // NOLINT
                static_cast<unsigned long long>(ours.both_missed));  // NOLINT
  }
}

}  // namespace
}  // namespace faultline::observe

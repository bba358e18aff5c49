// SPDX-License-Identifier: GPL-2.0-only
// What `make fuzz` has kept, given to every parser again: in seconds, and without clang.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "vm/files.h"

namespace faultline::fuzz {

#define TARGET(name) void fuzz_##name(std::string_view bytes);
#include "targets.def"
#undef TARGET

namespace {

struct Target {
  const char* name;
  void (*run)(std::string_view bytes);
};
constexpr Target kTargets[] = {
#define TARGET(name) {#name, fuzz_##name},
#include "targets.def"
#undef TARGET
};

class Corpus : public testing::TestWithParam<Target> {};

TEST_P(Corpus, IsTakenOrRefused) {
  std::size_t inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(FAULTLINE_CORPUS) / GetParam().name)) {
    SCOPED_TRACE(entry.path().string());
    const std::string bytes = read_file(entry.path());
    GetParam().run(bytes);
    // What is cut short comes more often than anything else.
    GetParam().run(std::string_view(bytes).substr(0, bytes.size() / 2));
    ++inputs;
  }
  EXPECT_GT(inputs, 0U) << "no corpus is kept";
  GetParam().run("");
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, testing::ValuesIn(kTargets),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace faultline::fuzz

// SPDX-License-Identifier: GPL-2.0-only
// What the tests of the command share: they run build/faultline as a user would.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "campaign/machine.h"
#include "vm/command.h"
#include "vm/files.h"

namespace faultline {

inline CommandOutput faultline_command(const std::vector<std::string>& arguments,
                                       const std::vector<std::string>& before = {}) {
  std::vector<std::string> argv = before;
  argv.emplace_back(FAULTLINE_COMMAND);
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return run_command(argv);
}

// Of these kernels are the tests that all should pass: as --kernel takes them,
// FAULTLINE_TEST_KERNELS, or the default one.
inline const char* kernels_asked() { return std::getenv("FAULTLINE_TEST_KERNELS"); }
inline std::string test_kernels() {
  const char* asked = kernels_asked();
  return asked != nullptr ? asked : kernel_table().front().id;
}
// A Say: what the tests in guests wait for is in their output.
inline void print_line(const std::string& line) { fmt::print("{}\n", line); }
inline std::vector<FetchedKernel> obtain_test_kernels() {
  return obtain_kernels(test_kernels(), "", cache_dir(), print_line);
}
inline std::vector<std::string> test_kernel_ids() {
  std::vector<std::string> ids;
  for (const FetchedKernel& kernel : obtain_test_kernels()) ids.push_back(kernel.id);
  return ids;
}

// The rows of a result, by value: a range-for over part of a temporary would outlive it.
inline nlohmann::json read_rows(const std::filesystem::path& file) {
  std::ifstream in(file);
  nlohmann::json result = nlohmann::json::parse(in, nullptr, false);
  return result.is_object() ? result["benchmarks"] : nlohmann::json::array();
}

inline nlohmann::json read_json(const std::filesystem::path& file) {
  std::ifstream in(file);
  return nlohmann::json::parse(in, nullptr, false);
}

// A folder of the test's own.
class Scratch {
 public:
  Scratch() : dir_(std::filesystem::temp_directory_path(), "faultline-test-") {}
  [[nodiscard]] std::string operator/(const std::string& name) const {
    return (dir_.path() / name).string();
  }

 private:
  TempDir dir_;
};

}  // namespace faultline

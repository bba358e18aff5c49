// SPDX-License-Identifier: GPL-2.0-only
// Runs crash tests, for tests.
#pragma once

#include <string>
#include <vector>

#include "campaign/testing.h"

namespace faultline {

struct Ran {
  CommandOutput output;
  nlohmann::json tests;
};

inline Ran crashtest(std::vector<std::string> arguments, const std::string& out) {
  arguments.insert(arguments.begin(), "crashtest");
  arguments.insert(arguments.end(), {"--out", out, "--force"});
  Ran ran;
  ran.output = faultline_command(arguments);
  const nlohmann::json result = read_json(out + "/crashtest.json");
  if (result.is_object()) ran.tests = result.value("tests", nlohmann::json());
  return ran;
}

inline int lost_of(const nlohmann::json& test) {
  int sum = 0;
  for (const auto& [name, count] : test.at("lost").items()) sum += count.get<int>();
  return sum;
}

}  // namespace faultline

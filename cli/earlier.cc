// SPDX-License-Identifier: GPL-2.0-only
#include "cli/earlier.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "cell/failure.h"

namespace faultline {

void parse_earlier(CLI::App& app, const std::string& verb, const nlohmann::json& context,
                   const std::string& where) {
  std::vector<std::string> words;
  const auto line = context.find("command_line");
  if (line != context.end() && line->is_array() &&
      std::ranges::all_of(*line, [](const nlohmann::json& word) { return word.is_string(); })) {
    words = line->get<std::vector<std::string>>();
  }
  const auto first = std::find(words.begin(), words.end(), verb);
  if (first == words.end()) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("{}: holds no result of `faultline {}`", where, verb));
  }
  // CLI11 takes them from the end.
  std::vector<std::string> reversed(std::make_reverse_iterator(words.end()),
                                    std::make_reverse_iterator(first));
  try {
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    throw Failure(ExitCode::kUsage, fmt::format("{}: {}", where, error.what()));
  }
}

void refuse_beside_resume(const CLI::App& verb, const std::set<std::string>& of_its_own) {
  for (const CLI::Option* option : verb.get_options()) {
    const std::string name = option->get_name();
    if (option->count() > 0 && name != "--resume" && !of_its_own.contains(name)) {
      throw Failure(ExitCode::kUsage, fmt::format("{}: --resume takes the options that the {} had",
                                                  name, verb.get_name()));
    }
  }
}

void refuse_complete(const nlohmann::json& context, const std::string& verb,
                     const std::string& folder) {
  if (context.value("complete", nlohmann::json()) == true) {
    throw Failure(ExitCode::kUsage, fmt::format("--resume {}: the {} is complete", folder, verb));
  }
}

}  // namespace faultline

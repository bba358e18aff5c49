// SPDX-License-Identifier: GPL-2.0-only
// The command that wrote a result, given again.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

namespace faultline {

// Parses into `app`, in which `verb` is declared, the command line that a result's context holds;
// `where` names the result. Failure(kUsage) when that is of another verb, or of none.
void parse_earlier(CLI::App& app, const std::string& verb, const nlohmann::json& context,
                   const std::string& where);

// Failure(kUsage) for an option given beside --resume that is not in `of_its_own`: those that the
// earlier command had hold.
void refuse_beside_resume(const CLI::App& verb, const std::set<std::string>& of_its_own);

// Failure(kUsage) when there is nothing to go on with.
void refuse_complete(const nlohmann::json& context, const std::string& verb,
                     const std::string& folder);

// Makes of an earlier command's options those that go on with its result `before`, in `folder`.
// What does not change the result is as given beside --resume.
template <typename Options, typename Result>
void go_on_with(Options& earlier, Result before, const std::string& folder, const Options& given) {
  earlier.wish.out = folder;
  earlier.wish.resume = std::move(before);
  if (given.wish.jobs != 0) earlier.wish.jobs = given.wish.jobs;
  earlier.wish.quiet = given.wish.quiet;
  earlier.json = given.json;
}

}  // namespace faultline

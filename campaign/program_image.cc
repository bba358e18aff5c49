// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/program_image.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "cell/failure.h"
#include "harness/wire.h"
#include "vm/image.h"

namespace faultline {

namespace fs = std::filesystem;

std::vector<std::string> program_words(const std::string& run) {
  std::istringstream in(run);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  if (words.empty()) throw Failure(ExitCode::kUsage, "--run: names no program");
  std::error_code error;
  if (!fs::is_regular_file(words[0], error) || access(words[0].c_str(), X_OK) != 0) {
    throw Failure(ExitCode::kUsage,
                  fmt::format("--run: {} is no program that can be run; give its path", words[0]));
  }
  return words;
}

ImageExtras program_in_image(const std::string& run) {
  const fs::path program = program_words(run)[0];
  ImageExtras extras;
  extras.files.push_back({.path = wire::kCrashProgram, .source = program, .mode = 0755});
  const fs::path libraries = wire::kCrashLibraries;
  for (const Library& library : library_closure(program)) {
    const std::string name = library.name.filename().string();
    const bool loader = name.starts_with("ld-");
    const fs::path path = loader ? fs::path(wire::kCrashLoader) : libraries / name;
    const auto same = [&](const ImageFile& file) { return file.path == path; };
    if (std::any_of(extras.files.begin(), extras.files.end(), same)) continue;
    extras.files.push_back({.path = path.string(), .source = library.source, .mode = 0755});
  }
  return extras;
}

}  // namespace faultline

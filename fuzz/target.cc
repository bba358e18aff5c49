// SPDX-License-Identifier: GPL-2.0-only
#include "fuzz/target.h"

#include <cstdio>
#include <cstdlib>
#include <iterator>

namespace faultline::fuzz {
namespace fs = std::filesystem;

void require(bool kept, const char* word) {
  if (kept) return;
  std::fprintf(stderr, "broken: %s\n", word);
  std::abort();
}

Cage::Cage() : folder_(temp_dir(), "fuzz-"), inside_(folder_.path() / "inside") {
  make_dirs(inside_);
}

fs::path Cage::beside(const char* name, std::string_view content) const {
  fs::path file = folder_.path() / name;
  write_file(file, content);
  return file;
}

void Cage::require_kept() const {
  const fs::directory_iterator all(folder_.path());
  require(std::distance(fs::begin(all), fs::end(all)) <= 2, "nothing is written outside");
}

}  // namespace faultline::fuzz

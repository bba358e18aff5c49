// SPDX-License-Identifier: GPL-2.0-only
// What every target shares: bytes of whoever writes them go in, and nothing comes of it but a value
// or a Failure that says why there is none.
#pragma once

#include <string>
#include <string_view>

#include "cell/failure.h"
#include "vm/files.h"

namespace faultline::fuzz {

// Ends the process as a crash does, where a parser has not kept its word.
void require(bool kept, const char* word);

// Runs `body`, which may refuse its bytes in words, and nothing else.
template <typename Body>
void refused_or_taken(Body body) {
  try {
    body();
  } catch (const Failure& failure) {
    require(*failure.what() != '\0', "a Failure has words");
  }
}

// A folder that is new and empty for each input, with one inside: what is written outside that one
// is seen.
class Cage {
 public:
  Cage();
  [[nodiscard]] const std::filesystem::path& inside() const { return inside_; }
  [[nodiscard]] std::filesystem::path beside(const char* name, std::string_view content) const;
  void require_kept() const;

 private:
  TempDir folder_;
  std::filesystem::path inside_;
};

// Both kinds of build know a target by one function.
#define FAULTLINE_FUZZ(name) void fuzz_##name(std::string_view bytes)

}  // namespace faultline::fuzz

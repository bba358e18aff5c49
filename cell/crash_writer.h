// SPDX-License-Identifier: GPL-2.0-only
// What the guest of a crash test writes, and what is done wrong in it on purpose. Both sides of the
// test know these.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace faultline {

// The writer of the pages of one file, by any strategy.
inline constexpr char kPagesWriter[] = "pages";
// The writer that is a program of the user's.
inline constexpr char kProgramWriter[] = "program";

struct CrashWriter {
  const char* id;
  const char* summary;
  const char* strategy;  // by which it makes its stores durable; empty: any that is selected
  const char* promise;   // what must be found after a power cut
  const char* source;    // who promises it
};
// All writers but kProgramWriter.
std::span<const CrashWriter> crash_writers();
// Finds a writer by its id; nullptr when there is none.
const CrashWriter* find_crash_writer(const std::string& id);
// The writers that a list of ids names, each once; `all` names all. Failure(kUsage) for an id that
// is none.
std::vector<const CrashWriter*> crash_writers_named(const std::string& list);

// What is done wrong on purpose, for the tests of the test.
inline constexpr char kSkipSync[] = "skip_sync";      // the writer promises and does not sync
inline constexpr char kSkipFlush[] = "skip_flush";    // the writer writes no line back
inline constexpr char kSkipFence[] = "skip_fence";    // nor waits for that
inline constexpr char kDropCommit[] = "drop_commit";  // every image lacks its journal's last commit

}  // namespace faultline

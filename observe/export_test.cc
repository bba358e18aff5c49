// SPDX-License-Identifier: GPL-2.0-only
#include "observe/export.h"

#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>

namespace faultline::observe {
namespace {

EventCounts stored(std::uint64_t bytes, std::uint64_t fences = 0) {
  EventCounts events = {};
  events[static_cast<std::size_t>(Event::kBytes)] = bytes;
  events[static_cast<std::size_t>(Event::kFences)] = fences;
  return events;
}

// fault calls zero and log, and log itself again; jbd2's thread writes.
Profile small() {
  Profile profile;
  profile.stacks = {{{"touch", "fault"}, 100},
                    {{"touch", "fault", "zero"}, 20},
                    {{"touch", "fault", "log"}, 7},
                    {{"touch", "fault", "log", "log"}, 3},
                    {{"touch", "fault", "log", "log", "log"}, 1},
                    {{"jbd2", "kjournald2", "write"}, 50}};
  profile.instructions = 181;
  profile.stack_events = {{{"touch", "fault", "zero"}, stored(4096)},
                          {{"touch", "fault", "log", "log"}, stored(64, 1)},
                          {{"jbd2", "kjournald2", "write"}, stored(8192, 2)}};
  profile.events = stored(4096 + 64 + 8192, 3);
  profile.calls = {{{"fault", "zero"}, 5}};
  return profile;
}

// Of each function, the line after its fn=.
std::map<std::string, std::string> own_costs(const std::string& text) {
  std::map<std::string, std::string> costs;
  std::istringstream lines(text);
  for (std::string line, name; std::getline(lines, line);) {
    if (!name.empty()) costs[name] = line;
    name = line.starts_with("fn=") ? line.substr(3) : "";
  }
  return costs;
}

TEST(Callgrind, EachFunctionHasItsInstructionsAndEvents) {
  const std::string text = callgrind(small(), "a cell");
  EXPECT_NE(text.find("\nevents: Ir bytes fences\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nevent: bytes : bytes stored to pmem\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\nsummary: 181 12352 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\ntotals: 181 12352 3\n"), std::string::npos) << text;
  EXPECT_EQ(own_costs(text), (std::map<std::string, std::string>{{"fault", "0 100 0 0"},
                                                                 {"zero", "0 20 4096 0"},
                                                                 {"log", "0 11 64 1"},
                                                                 {"jbd2:kjournald2", "0 0 0 0"},
                                                                 {"jbd2:write", "0 50 8192 2"}}));
}

TEST(Callgrind, EveryEventHasAColumn) {
  Profile profile = small();
  profile.events.fill(1);
  const std::string text = callgrind(profile, "a cell");
  const std::size_t begin = text.find("\nevents: ") + 1;
  std::istringstream line(text.substr(begin, text.find('\n', begin) - begin));
  const std::set<std::string> names{std::istream_iterator<std::string>(line), {}};
  EXPECT_EQ(names.size(), 2 + kEvents) << "with `events:` and Ir, each once";
}

TEST(Callgrind, AnEdgeHasWhatIsBelowIt) {
  const std::string text = callgrind(small(), "a cell");
  EXPECT_NE(text.find("cfn=zero\ncalls=5 0\n0 20 4096 0\n"), std::string::npos) << text;
  // Once from fault; of the call of itself, what that one did.
  EXPECT_NE(text.find("cfn=log\ncalls=1 0\n0 11 64 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("cfn=log\ncalls=1 0\n0 4 64 1\n"), std::string::npos) << text;
}

TEST(Callgrind, WithoutEventsThereAreInstructionsAlone) {
  Profile profile = small();
  profile.events = {};
  profile.stack_events.clear();
  EXPECT_NE(callgrind(profile, "a").find("\nevents: Ir\nsummary: 181\n"), std::string::npos);
}

TEST(Folded, AStackALine) {
  EXPECT_EQ(folded(small()),
            "jbd2;kjournald2;write 50\ntouch;fault 100\ntouch;fault;log 7\ntouch;fault;log;log "
            "3\ntouch;fault;log;log;log 1\n"
            "touch;fault;zero 20\n");
}

}  // namespace
}  // namespace faultline::observe

// SPDX-License-Identifier: GPL-2.0-only
// What `--help` says of each verb: its example, its width, its paragraphs.
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "campaign/testing.h"

namespace faultline {
namespace {

TEST(Command, HelpIsAVerbToo) {
  EXPECT_EQ(faultline_command({"help"}).out, faultline_command({"--help"}).out);
  EXPECT_EQ(faultline_command({"help", "run"}).out, faultline_command({"run", "--help"}).out);
  EXPECT_EQ(faultline_command({"help", "compare"}).out,
            faultline_command({"compare", "--help"}).out);
  EXPECT_EQ(faultline_command({"help", "run"}).status, 0);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) found.push_back(line);
  return found;
}

// The verbs that `faultline --help` names, in its order.
std::vector<std::string> all_verbs() {
  std::vector<std::string> found;
  bool begun = false;
  for (const std::string& line : lines_of(faultline_command({"--help"}).out)) {
    if (line == "Subcommands:" || line == "SUBCOMMANDS:") begun = true;  // of CLI11 2.5
    if (begun && line.starts_with("  ") && line[2] != ' ') {
      found.push_back(line.substr(2, line.find(' ', 2) - 2));
    }
  }
  return found;
}

TEST(Command, EveryVerbHasHelpWithAnExample) {
  const std::vector<std::string> verbs = all_verbs();
  ASSERT_FALSE(verbs.empty());
  EXPECT_EQ(verbs.front(), "run");
  EXPECT_EQ(verbs.back(), "trend");
  for (const std::string& verb : verbs) {
    const CommandOutput output = faultline_command({verb, "--help"});
    EXPECT_EQ(output.status, 0) << verb;
    EXPECT_NE(output.out.find("xample"), std::string::npos) << verb;
    for (const std::string& line : lines_of(output.out)) EXPECT_LE(line.size(), 80U) << line;
    EXPECT_NE(output.out.find("faultline " + verb), std::string::npos) << verb;
  }
}

// A line of prose ends where its next word has no room.
TEST(Command, HelpIsWrappedOnce) {
  std::vector<std::string> helps = {faultline_command({"--help"}).out};
  for (const std::string& verb : all_verbs()) {
    helps.push_back(faultline_command({verb, "--help"}).out);
  }
  for (const char* verb : {"list", "fetch", "module", "check", "compiler"}) {
    helps.push_back(faultline_command({"kernels", verb, "--help"}).out);
  }
  std::size_t of_cli = 0;
  for (const std::string& help : helps) {
    if (help.find("Usage: faultline") == std::string::npos) continue;  // argparse's
    ++of_cli;
    std::string before;
    for (const std::string& line : lines_of(help)) {
      const bool prose = !line.empty() && line.front() != ' ' && !line.starts_with("Usage: ");
      if (prose && !before.empty()) {
        EXPECT_GT(before.size() + 1 + line.substr(0, line.find(' ')).size(), 80U) << before;
      }
      before = prose ? line : "";
      EXPECT_TRUE(!prose || line.ends_with(':') || line.find(' ') != std::string::npos) << line;
      EXPECT_LE(line.size(), 80U) << line;
      EXPECT_EQ(line.find(" Exit: "), std::string::npos) << line;
    }
  }
  EXPECT_EQ(of_cli, 20U);
}

}  // namespace
}  // namespace faultline

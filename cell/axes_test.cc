// SPDX-License-Identifier: GPL-2.0-only
#include "cell/axes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "cell/row.h"

namespace faultline {
namespace {

using Names = std::vector<std::string>;

Names known_to(const char* axis) { return find_axis(axis)->known(Sources{}); }

// The names that an axis offers to a cell, of those that are chosen where the user names none.
Names defaults_of(const char* axis, const Cell& cell) {
  Names names;
  for (const AxisValue& value : find_axis(axis)->offers(Sources{}, cell)) {
    if (value.by_default || value.always) names.push_back(value.name);
  }
  return names;
}

TEST(Axes, AreTheseInTheOrderOfAName) {
  Names ids;
  for (const Axis& axis : axes()) {
    ids.emplace_back(axis.id);
    EXPECT_EQ(find_axis(axis.id), &axis);
    EXPECT_STRNE(axis.help, "") << axis.id;
  }
  EXPECT_EQ(ids, (Names{"fs", "strategy", "workload", "state", "order", "threads", "dirty-inodes",
                        "stores-per-page", "touch", "attackers", "setting", "fault-deadline"}));
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
  EXPECT_EQ(find_axis("kernel"), nullptr);
  EXPECT_EQ(find_axis(""), nullptr);
}

TEST(Axes, EachHasALoopOfItsOwn) {
  std::vector<unsigned> ranks;
  for (const Axis& axis : axes()) ranks.push_back(axis.rank);
  EXPECT_EQ(ranks, (std::vector<unsigned>{0, 4, 1, 5, 2, 3, 6, 7, 8, 9, 10, 11}));
  std::sort(ranks.begin(), ranks.end());
  EXPECT_EQ(ranks, (std::vector<unsigned>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
}

TEST(Axes, EachIsAFieldOfARow) {
  std::set<std::string> fields;
  Row::fields([&](const auto& field) { fields.insert(field.name); });
  std::set<std::string> used;
  for (const Axis& axis : axes()) {
    EXPECT_EQ(fields.count(axis.field), 1U) << axis.field;
    EXPECT_TRUE(used.insert(axis.field).second) << axis.field;
  }
}

// A part of a name that is a letter and digits can be a value of one axis alone.
TEST(Axes, LettersAreUnambiguous) {
  std::set<std::string> letters;
  for (const Axis& axis : axes()) {
    const std::string letter = axis.letter;
    EXPECT_LE(letter.size(), 1U) << axis.id;
    if (!letter.empty()) {
      EXPECT_TRUE(letters.insert(letter).second) << axis.id;
    }
  }
  EXPECT_EQ(letters, (std::set<std::string>{"a", "d", "f", "t", "w"}));
  const auto is_lettered = [&](const std::string& word) {
    return letters.count(word.substr(0, 1)) == 1 && word.size() > 1 &&
           word.find_first_not_of("0123456789", 1) == std::string::npos;
  };
  for (const Axis& axis : axes()) {
    for (const std::string& word : axis.known(Sources{})) {
      EXPECT_FALSE(is_lettered(word)) << axis.id << " " << word;
      EXPECT_EQ(word.find('/'), std::string::npos) << axis.id << " " << word;
      // Digits alone want a letter.
      EXPECT_EQ(word.find_first_not_of("0123456789") == std::string::npos,
                !std::string(axis.letter).empty())
          << axis.id << " " << word;
    }
  }
  for (const ProbeSetRow& set : kProbeSets) {
    EXPECT_FALSE(is_lettered(set.id)) << set.id;
    for (const Named& setting : kSettingTable) EXPECT_STRNE(set.id, setting.id);
  }
}

TEST(Axes, KnowTheirNames) {
  EXPECT_EQ(known_to("fs"),
            (Names{"ext4", "ext4-fc", "xfs", "ext4-nodax", "xfs-nodax", "ext4-orphan", "xfs-rmapbt",
                   "xfs-reflink", "ext4-log4m", "ext4-lazytime", "xfs-lazytime", "xfs-quota",
                   "ext4-full", "xfs-full", "ext4-nojournal", "ext2"}));
  const Names strategies = known_to("strategy");
  EXPECT_EQ(Names(strategies.begin(), strategies.begin() + 8),
            (Names{"volatile", "fsync", "fsync:1", "fsync:8", "fsync:64", "fsync:512", "fsync:all",
                   "msync"}));
  EXPECT_EQ(strategies.size(), 26U);  // 15, and K of fsync, msync (5 each) and pwrite (1)
  EXPECT_EQ(known_to("workload"),
            (Names{"first_touch", "random_touch", "rewrite", "store_again", "many_files", "paced",
                   "copy_beside", "background", "behind_commit", "unrelated", "dos", "bystander"}));
  EXPECT_EQ(known_to("state"), (Names{"hole", "unwritten", "written", "shared"}));
  EXPECT_EQ(known_to("order"), (Names{"pte", "pmd"}));
  EXPECT_EQ(known_to("threads"), (Names{"1", "2", "4"}));
  EXPECT_EQ(known_to("dirty-inodes"), (Names{"0", "100", "1000", "10000", "50000"}));
  EXPECT_EQ(known_to("stores-per-page"), (Names{"1", "8", "64"}));
  EXPECT_EQ(known_to("touch"),
            (Names{"store",      "utimens",    "pwrite", "append",  "truncate", "fallocate",
                   "punch",      "punch_same", "extend", "convert", "reflink",  "dedupe",
                   "chmod",      "xattr",      "others", "mmap",    "anon",     "read_fault",
                   "other_file", "freeze",     "resize"}));
  EXPECT_EQ(known_to("attackers"), (Names{"0", "1", "2", "4"}));
  EXPECT_EQ(known_to("fault-deadline"), (Names{"20", "200", "1000"}));
  EXPECT_EQ(known_to("setting"), (Names{"deterministic", "deterministic2", "concurrent"}));
}

TEST(Axes, HaveDefaults) {
  const Cell plain = {.workload = "first_touch"};
  EXPECT_EQ(defaults_of("fs", plain), (Names{"ext4", "ext4-fc", "xfs"}));
  EXPECT_EQ(defaults_of("workload", plain), Names{"first_touch"});
  EXPECT_EQ(
      defaults_of("strategy", plain),
      (Names{"volatile", "fsync:1", "fsync:8", "fsync:64", "fsync:512", "fsync:all", "msync:1",
             "msync:8", "msync:64", "msync:512", "msync:all", "map_sync", "prealloc", "pwrite:1"}));
  EXPECT_EQ(defaults_of("state", plain), (Names{"hole", "unwritten", "written"}));
  EXPECT_EQ(defaults_of("order", plain), Names{"pte"});
  EXPECT_EQ(defaults_of("threads", plain), Names{"1"});
}

TEST(Axes, OfOtherWorkloadsAreNone) {
  const Cell plain = {.workload = "first_touch"};
  for (const char* axis :
       {"dirty-inodes", "stores-per-page", "touch", "attackers", "setting", "fault-deadline"}) {
    EXPECT_EQ(defaults_of(axis, plain), Names{""}) << axis;
  }
  EXPECT_EQ(defaults_of("stores-per-page", {.workload = "store_again"}), (Names{"1", "8", "64"}));
  const Cell unrelated = {.workload = "unrelated"};
  EXPECT_EQ(defaults_of("dirty-inodes", unrelated), (Names{"0", "100", "1000", "10000", "50000"}));
  EXPECT_EQ(defaults_of("strategy", unrelated), Names{"map_sync"});
  Cell dos = {.workload = "dos"};
  EXPECT_EQ(defaults_of("strategy", dos),
            (Names{"map_sync", "sync_fault", "sync_retry", "sync_retry_extent", "sync_retry_once",
                   "sync_retry_strict", "daxfile"}));
  EXPECT_EQ(
      defaults_of("touch", dos),
      (Names{"none", "store", "utimens", "pwrite", "append", "truncate", "fallocate", "punch",
             "punch_same", "extend", "convert", "reflink", "dedupe", "chmod", "xattr", "others"}));
  EXPECT_EQ(defaults_of("setting", dos), (Names{"deterministic", "concurrent"}));
  EXPECT_EQ(defaults_of("fault-deadline", dos), Names{"20"});
  EXPECT_EQ(find_axis("fault-deadline")->offers(Sources{}, dos).size(), 3U);
  dos.touch = "none";
  EXPECT_EQ(defaults_of("attackers", dos), Names{"0"});
  dos.touch = "chmod";
  EXPECT_EQ(defaults_of("attackers", dos), Names{"1"});
  EXPECT_EQ(find_axis("attackers")->offers(Sources{}, dos).size(), 3U);
  const Cell bystander = {.workload = "bystander", .touch = "mmap"};
  EXPECT_EQ(defaults_of("touch", bystander),
            (Names{"mmap", "anon", "read_fault", "other_file", "freeze", "resize"}));
  EXPECT_EQ(defaults_of("fault-deadline", bystander), Names{""});
  EXPECT_EQ(defaults_of("attackers", bystander), Names{"1"});
  EXPECT_EQ(find_axis("attackers")->offers(Sources{}, bystander).size(), 1U);
}

// What a value puts into a cell is what the axis reads from it.
TEST(Axes, ValuesArePutWhereTheyAreRead) {
  for (const Workload& workload : workloads()) {
    Cell cell = {.workload = workload.id, .touch = workload.contest == Contest::kNone ? "" : "x"};
    for (const Axis& axis : axes()) {
      for (const AxisValue& value : axis.offers(Sources{}, cell)) {
        Cell filled = cell;
        value.put(filled);
        if (value.name.empty()) {
          EXPECT_EQ(axis.value(filled), axis.value(cell)) << axis.id;
        } else if (axis.id == std::string("dirty-inodes") && value.name == "0") {
          EXPECT_EQ(axis.value(filled), "");  // a name leaves it out
        } else if (axis.id == std::string("fault-deadline") && value.name == "20") {
          EXPECT_EQ(axis.value(filled), "");
        } else {
          EXPECT_EQ(axis.value(filled), value.name) << axis.id;
        }
      }
    }
  }
}

TEST(Axes, TheUsualValueIsTheOnlyOne) {
  std::map<std::string, std::string> usual;
  for (const Axis& axis : axes()) usual[axis.id] = usual_value(axis).value_or("-");
  const std::map<std::string, std::string> expected = {
      {"fs", "-"},           {"strategy", "-"},        {"workload", "first_touch"},
      {"state", "-"},        {"order", "pte"},         {"threads", "1"},
      {"dirty-inodes", "-"}, {"stores-per-page", "-"}, {"touch", "-"},
      {"attackers", "1"},    {"setting", "-"},         {"fault-deadline", "20"}};
  EXPECT_EQ(usual, expected);
}

TEST(Axes, HelpHasTheValues) {
  const auto help = [](const char* id) { return axis_help(*find_axis(id)); };
  EXPECT_EQ(help("order"), "entry size: pte (default), pmd");
  EXPECT_EQ(help("workload"), "workloads (default: first_touch)");
  EXPECT_EQ(help("fs"), "file systems");
  EXPECT_EQ(help("fault-deadline"),
            "ms after which a victim has starved (workload dos): 20 (default), 200, 1000");
}

TEST(Axes, MostTouches) { EXPECT_EQ(kMaxTouches, 1'048'576U); }

}  // namespace
}  // namespace faultline

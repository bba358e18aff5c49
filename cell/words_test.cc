// SPDX-License-Identifier: GPL-2.0-only
#include "cell/words.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

using Names = std::vector<std::string>;

TEST(Words, SplitsLists) {
  EXPECT_EQ(split_list("a,b,c"), (Names{"a", "b", "c"}));
  EXPECT_EQ(split_list("fsync:8,*"), (Names{"fsync:8", "*"}));
  EXPECT_EQ(split_list(",a,,b,"), (Names{"a", "b"}));
  EXPECT_EQ(split_list("a b"), Names{"a b"});
  EXPECT_EQ(split_list(","), Names{});
  EXPECT_EQ(split_list(""), Names{});
}

TEST(Words, SplitsAtBlanks) {
  EXPECT_EQ(split_words("  a bc\n d\t"), (Names{"a", "bc", "d"}));
  EXPECT_EQ(split_words(" "), Names{});
  EXPECT_EQ(first_line("one two\nthree"), "one two");
  EXPECT_EQ(first_line("\n"), "");
  EXPECT_EQ(first_line("one"), "one");
}

TEST(Words, Wraps) {
  EXPECT_EQ(wrapped("one two three", 7), "one two\nthree");
  EXPECT_EQ(wrapped("one two three", 9, 2, 4), "  one two\n    three");
  // Full to the last column, and one too few.
  EXPECT_EQ(wrapped("one two", 7), "one two");
  EXPECT_EQ(wrapped("one two", 6), "one\ntwo");
  EXPECT_EQ(wrapped("a  b\nc", 80), "a b c");
  EXPECT_EQ(wrapped("longer than", 4), "longer\nthan");
  EXPECT_EQ(wrapped("see a=1,b=2,c=3 it", 8, 0, 2), "see\n  a=1,\n  b=2,\n  c=3 it");
  EXPECT_EQ(wrapped("", 8, 3), "   ");
}

TEST(Words, NearNames) {
  const Names known = {"bookworm", "bullseye", "trixie"};
  EXPECT_EQ(near_names("bookwrm", known), Names{"bookworm"});
  EXPECT_EQ(near_names("worm", known), Names{"bookworm"});
  EXPECT_EQ(near_names("trixi", known), Names{"trixie"});
  EXPECT_EQ(near_names("x", known), Names{});
  EXPECT_EQ(near_names("", known), Names{});
  // A part of two letters is no likeness.
  EXPECT_EQ(near_names("or", known), Names{});
  EXPECT_EQ(near_names("aa", {"abc", "aac", "aa1", "aab"}), (Names{"aac", "aa1", "aab"}));
  EXPECT_EQ(near_names("x", {}), Names{});
}

TEST(Words, NearNamesBeginWithTheNearest) {
  // Off by two, by one, and a name that holds it.
  EXPECT_EQ(near_names("abcd", {"abxy", "abcx", "1-abcd-2"}), (Names{"1-abcd-2", "abcx", "abxy"}));
  // A third of nine letters may be wrong, but of three no more than two.
  EXPECT_EQ(near_names("unwrxxxen", {"unwritten"}), Names{"unwritten"});
  EXPECT_EQ(near_names("xxx", {"pte"}), Names{});
}

TEST(Words, AnUnknownNameIsToldWithTheNearOnesOrAll) {
  EXPECT_EQ(unknown_name("--fs", "etx4", {"ext4", "xfs"}),
            "--fs: nothing is called 'etx4'; did you mean ext4?");
  EXPECT_EQ(unknown_name("--order", "pud", {"pte", "pmd"}),
            "--order: nothing is called 'pud'; did you mean pmd or pte?");
  EXPECT_EQ(unknown_name("--state", "frozen", {"hole", "written"}),
            "--state: nothing is called 'frozen'; there is: hole, written");
}

TEST(Words, Median) {
  EXPECT_EQ(median({7}), 7.0);
  EXPECT_EQ(median({5, 1, 3}), 3.0);
  EXPECT_EQ(median({1, 2}), 1.5);
  EXPECT_EQ(median({9, 1, 4, 3}), 3.5);
  EXPECT_EQ(median({2, 2, 2, 100, 100}), 2.0);
  EXPECT_EQ(median({-4, -2}), -3.0);
}

TEST(Words, MiddleSampleIsOneThatWasMeasured) {
  EXPECT_EQ(middle_sample(1), 0U);
  EXPECT_EQ(middle_sample(2), 0U);
  EXPECT_EQ(middle_sample(3), 1U);
  EXPECT_EQ(middle_sample(4), 1U);
  EXPECT_EQ(middle_sample(5), 2U);
}

TEST(AsFileName, HoldsNothingThatAFileSystemOrAnArchiveRefuses) {
  EXPECT_EQ(as_file_name("bookworm-ext4-fsync:8-first_touch-hole"),
            "bookworm-ext4-fsync_8-first_touch-hole");
  EXPECT_EQ(as_file_name("6.1.177+600"), "6.1.177+600");
  EXPECT_EQ(as_file_name("mine=./a b/bzImage,*?\"<>|"), "mine_._a_b_bzImage_______");
}

TEST(Words, TheFirstKeyOfCpuinfoThatBeginsSo) {
  const std::string text =
      "processor\t: 0\nmodel\t\t: 1\nmodel name\t: A: B\nflags\t\t:\nmodel name\t: C\n";
  EXPECT_EQ(cpu_info(text, "model name"), "A: B");
  EXPECT_EQ(cpu_info(text, "model"), "1");
  EXPECT_EQ(cpu_info(text, "flags"), "") << "with nothing behind it";
  EXPECT_EQ(cpu_info(text, "cpu MHz"), "");
}

}  // namespace
}  // namespace faultline

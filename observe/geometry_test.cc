// SPDX-License-Identifier: GPL-2.0-only
#include "observe/geometry.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "cell/failure.h"

namespace faultline::observe {
namespace {

std::string file_text(const std::string& name) {
  std::ifstream file(std::filesystem::path(FAULTLINE_SOURCE_DIR) / "observe/caches" / name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  return text.replace(text.find(what), what.size(), by);
}

std::string refusal(const std::string& text) {
  try {
    geometry_of(text, "f.toml");
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kUsage);
    return failure.what();
  }
  return "";
}

TEST(Geometry, TheDefaultIsAsItsFileSays) {
  const Geometry geometry = geometry_of(file_text("cascadelake.toml"), "f.toml");
  EXPECT_EQ(geometry.caches.l1i, (SetsOfWays{.sets = 64, .ways = 8}));
  EXPECT_EQ(geometry.caches.l1d, (SetsOfWays{.sets = 64, .ways = 8}));
  EXPECT_EQ(geometry.caches.l2, (SetsOfWays{.sets = 1024, .ways = 16}));
  EXPECT_EQ(geometry.caches.llc, (SetsOfWays{.sets = 32768, .ways = 11}));
  EXPECT_EQ(geometry.tlb, (SetsOfWays{.sets = 128, .ways = 12}));
  EXPECT_EQ(describe(geometry),
            "Cascade Lake, 16 cores: L1I 32 KiB of 8 ways, L1D 32 KiB of 8 ways, L2 1024 KiB of 16 "
            "ways, LLC 22528 KiB of 11 ways, lines of 64");
  EXPECT_EQ(describe_tlb(*geometry.tlb), "1536 entries of 12 ways");
}

TEST(Geometry, AnL2AndATlbMayBeMissing) {
  const Geometry ice_lake = geometry_of(file_text("icelake.toml"), "f.toml");
  EXPECT_FALSE(ice_lake.tlb);
  EXPECT_EQ(ice_lake.caches.llc, (SetsOfWays{.sets = 8192, .ways = 12}));
  std::string text = file_text("icelake.toml");
  const std::size_t l2 = text.find("[l2]");
  text.erase(l2, text.find("[llc]") - l2);
  EXPECT_FALSE(geometry_of(text, "f.toml").caches.l2);
}

TEST(Geometry, WhatIsWrongIsNamed) {
  const std::string good = file_text("cascadelake.toml");
  EXPECT_EQ(refusal(good), "");
  const auto wrong = [&](const std::string& what, const std::string& by) {
    return refusal(replaced(good, what, by));
  };
  EXPECT_EQ(wrong("line = 64", "line = 48"),
            "f.toml: line must be a power of two; observe/caches/ has such files");
  EXPECT_NE(wrong("size = 32768", "size = \"32k\"").find("l1i.size must be a whole number"),
            std::string::npos);
  EXPECT_NE(wrong("size = 32768", "size = 2.5").find("l1i.size must be"), std::string::npos);
  EXPECT_TRUE(wrong("size = 32768", "size = 32k").starts_with("f.toml: line 7: "));
  EXPECT_NE(wrong("size = 32768", "size = 0").find("l1i.size must be"), std::string::npos);
  EXPECT_NE(
      wrong("size = 1048576", "size = 1048575").find("l2: size 1048575 in 16 ways is no power"),
      std::string::npos);
  EXPECT_NE(wrong("size = 1048576", "size = 3145728").find("is no power"), std::string::npos);
  EXPECT_NE(wrong("ways = 11", "").find("llc.ways is missing"), std::string::npos);
  EXPECT_NE(wrong("ways = 11", "ways = 11\nlatency = 4").find("nothing is called llc.latency"),
            std::string::npos);
  EXPECT_NE(wrong("source = \"As l1i.\"", "").find("l1d.source is missing"), std::string::npos);
  EXPECT_NE(wrong("line = 64", "line = 64\nlines = 1").find("nothing is called lines"),
            std::string::npos);
  EXPECT_NE(wrong("source = \"As l1i.\"", "source = 7").find("l1d.source must be a text in quotes"),
            std::string::npos);
  EXPECT_TRUE(wrong("title = \"", "title = ").starts_with("f.toml: line 3: "));
  EXPECT_TRUE(wrong("line = 64", "sixty").starts_with("f.toml: line 4: "));
}

}  // namespace
}  // namespace faultline::observe

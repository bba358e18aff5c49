// SPDX-License-Identifier: GPL-2.0-only
#include "harness/wire.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace faultline::wire {
namespace {

// Written out, so that a change of the format is seen.
const std::string kDoneBytes = "\nFLT1 done 00000002 a3a6bf43\n{}\n";
const std::string kResultBytes = "\nFLT1 result 00000008 fba18e97\n{\"a\": 1}\n";

std::vector<std::string> frames_of(Decoder& decoder) {
  std::vector<std::string> frames;
  while (const auto frame = decoder.next()) frames.push_back(frame->type + " " + frame->payload);
  return frames;
}

TEST(Wire, EncodesTheseBytes) {
  EXPECT_EQ(encode("done", "{}"), kDoneBytes);
  EXPECT_EQ(encode("result", "{\"a\": 1}"), kResultBytes);
}

TEST(Wire, GivesFramesInOrder) {
  Decoder decoder;
  decoder.feed(kResultBytes + kDoneBytes);
  EXPECT_EQ(frames_of(decoder), (std::vector<std::string>{"result {\"a\": 1}", "done {}"}));
  EXPECT_EQ(decoder.damaged(), 0U);
  EXPECT_EQ(decoder.pending(), 0U);
}

TEST(Wire, SplitAtEveryByte) {
  const std::string both = "noise" + kResultBytes + "more\nnoise" + kDoneBytes;
  for (std::size_t at = 0; at <= both.size(); ++at) {
    Decoder decoder;
    decoder.feed(both.substr(0, at));
    std::vector<std::string> frames = frames_of(decoder);
    decoder.feed(both.substr(at));
    for (const std::string& frame : frames_of(decoder)) frames.push_back(frame);
    EXPECT_EQ(frames, (std::vector<std::string>{"result {\"a\": 1}", "done {}"})) << at;
    EXPECT_EQ(decoder.damaged(), 0U) << at;
  }
}

TEST(Wire, DropsWhatIsDamagedAndGoesOn) {
  for (const std::string bad : {
           "\nFLT1 result 00000008 fba18e97\n{\"a\": 2}\n",    // payload
           "\nFLT1 result 00000008 fba18e96\n{\"a\": 1}\n",    // checksum
           "\nFLT1 result 00000007 fba18e97\n{\"a\": 1}\n",    // too short
           "\nFLT1 result 00000009 fba18e97\n{\"a\": 1}\n",    // too long by one
           "\nFLT1 result ffffffff fba18e97\n{\"a\": 1}\n",    // absurdly long
           "\nFLT1 result\n{\"a\": 1}\n",                      // half a header
           "\nFLT1 \nresult 00000008 fba18e97\n{\"a\": 1}\n",  // the same, and its rest below
       }) {
    Decoder decoder;
    decoder.feed(bad + kDoneBytes);
    EXPECT_EQ(frames_of(decoder), (std::vector<std::string>{"done {}"})) << bad;
    EXPECT_EQ(decoder.damaged(), 1U) << bad;
  }
}

TEST(Wire, HalfAFrameIsPendingAndNeverGiven) {
  for (std::size_t length = 6; length < kDoneBytes.size(); ++length) {
    Decoder decoder;
    decoder.feed(kDoneBytes.substr(0, length));
    EXPECT_TRUE(frames_of(decoder).empty()) << length;
    EXPECT_EQ(decoder.pending(), length);
  }
}

TEST(Wire, PayloadMayHoldAHeader) {
  const std::string payload = "x" + kDoneBytes + "y";
  Decoder decoder;
  decoder.feed(encode("result", payload));
  EXPECT_EQ(frames_of(decoder), (std::vector<std::string>{"result " + payload}));
}

TEST(Wire, NoiseAloneIsNotKept) {
  Decoder decoder;
  for (int i = 0; i < 1000; ++i) decoder.feed("just noise\nFLT0 no header\n");
  EXPECT_TRUE(frames_of(decoder).empty());
  EXPECT_EQ(decoder.damaged(), 0U);
  EXPECT_EQ(decoder.pending(), 0U);
}

// Each claims what follows as its own, and each had it summed, moved and searched anew.
TEST(Wire, AStreamOfFalseClaimsIsGivenUp) {
  std::string claims;
  while (claims.size() < 1 << 22) claims += "\nFLT1 result 00200000 00000000\n";
  Decoder decoder;
  decoder.feed(claims);
  EXPECT_TRUE(frames_of(decoder).empty());
  EXPECT_EQ(decoder.damaged(), 64U);
  decoder.feed(kDoneBytes);
  EXPECT_TRUE(frames_of(decoder).empty());
  EXPECT_EQ(decoder.pending(), 0U);
}

// 64 MiB as a pipe gives them: the whole of what had come was searched for its end at each piece.
TEST(Wire, ALongFrameTakesNoLongerThanItsBytes) {
  const std::string frame = encode("samples", std::string(1 << 26, 'x'));
  Decoder decoder;
  std::size_t whole = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (std::string_view left = frame; !left.empty();
       left.remove_prefix(std::min<std::size_t>(left.size(), 1 << 12))) {
    decoder.feed(left.substr(0, 1 << 12));
    if (decoder.next()) ++whole;
  }
  EXPECT_EQ(whole, 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

}  // namespace
}  // namespace faultline::wire

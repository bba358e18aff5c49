// SPDX-License-Identifier: GPL-2.0-only
// The guest's half of the wire; what the host makes of it is in vm/wire_test.cc.
#include "harness/wire.h"

#include <gtest/gtest.h>

namespace faultline::wire {
namespace {

TEST(Wire, ChecksumIsCrc32) {
  EXPECT_EQ(checksum("123456789"), 0xcbf43926U);  // the check value of CRC-32/ISO-HDLC
  EXPECT_EQ(checksum(""), 0U);
  EXPECT_EQ(checksum(std::string_view("\0", 1)), 0xd202ef8dU);
}

TEST(Wire, FrameBytes) {
  EXPECT_EQ(encode("fail", "123456789"), "\nFLT1 fail 00000009 cbf43926\n123456789\n");
  EXPECT_EQ(encode("done", ""), "\nFLT1 done 00000000 00000000\n\n");
  // The length is that of the bytes, in hex.
  const std::string long_payload(4096, 'x');
  EXPECT_EQ(encode("hello", long_payload).substr(0, 21), "\nFLT1 hello 00001000 ");
  EXPECT_EQ(encode("hello", long_payload).size(), 4127U);  // 30 + 4096 + 1
}

TEST(Wire, TypesOfFrames) {
  EXPECT_EQ(kHello, "hello");
  EXPECT_EQ(kReady, "ready");
  EXPECT_EQ(kResult, "result");
  EXPECT_EQ(kFail, "fail");
  EXPECT_EQ(kDone, "done");
}

}  // namespace
}  // namespace faultline::wire

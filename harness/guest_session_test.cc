// SPDX-License-Identifier: GPL-2.0-only
#include "harness/guest_session.h"

#include <gtest/gtest.h>

namespace faultline {
namespace {

using std::string_literals::operator""s;

TEST(Session, MessagesComeWholeOrNotAtAll) {
  InputMessages messages;
  InputMessages::Message message;
  messages.feed("i\0\3ab"s);
  EXPECT_FALSE(messages.next(message));
  messages.feed("ce\0\0w\0"s);
  ASSERT_TRUE(messages.next(message));
  EXPECT_EQ(message.type, 'i');
  EXPECT_EQ(message.bytes, "abc");
  ASSERT_TRUE(messages.next(message));
  EXPECT_EQ(message.type, 'e');
  EXPECT_EQ(message.bytes, "");
  EXPECT_FALSE(messages.next(message));
  messages.feed("\4\0\30\0\120"s);
  ASSERT_TRUE(messages.next(message));
  EXPECT_EQ(message.bytes, "\0\30\0\120"s);
}

TEST(Session, LengthHasTwoBytes) {
  InputMessages messages;
  InputMessages::Message message;
  messages.feed("i\4\0"s);
  messages.feed(std::string(1023, 'x'));
  EXPECT_FALSE(messages.next(message));
  messages.feed("y");
  ASSERT_TRUE(messages.next(message));
  EXPECT_EQ(message.bytes.size(), 1024U);
}

}  // namespace
}  // namespace faultline

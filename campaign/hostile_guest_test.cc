// SPDX-License-Identifier: GPL-2.0-only
// A guest that means harm: in QEMU's place a script says what such a guest would. Whatever it says,
// no row of it is ok, nothing is written elsewhere, and the host neither waits for ever nor fills
// its memory.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>

#include "campaign/result.h"
#include "campaign/runner.h"
#include "campaign/sent_row.h"
#include "cell/json_text.h"
#include "vm/files.h"
#include "vm/supervisor.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;

Cell asked_cell() {
  Cell cell{.kernel = "bookworm",
            .fs = "ext4",
            .strategy = "volatile",
            .workload = "first_touch",
            .state = State::kHole};
  cell.touches = 64;
  cell.probes = Probes::k_off;
  return cell;
}

// As an honest guest sends it.
nlohmann::json honest_row() {
  Row row = empty_row(asked_cell(), kStatusOk, "");
  row.iterations = 64;
  row.touches = 64;
  row.pages = 64;
  row.per_fault = row.cpu_time = 5000;
  row.per_page = row.real_time = 5100;
  row.losses = Losses{};
  return json_of(row);
}

const std::string kHead = wire::encode(wire::kHello, "{}") + wire::encode(wire::kReady, "{}");
const std::string kTail = wire::encode(wire::kDone, "{}");

struct Came {
  GuestOutcome outcome = {};
  SentWords words = {};
  double seconds = 0;

  // The row, where all that has to be well is.
  [[nodiscard]] std::optional<Row> row(std::string& why) const {
    const Row planned = empty_row(asked_cell(), kStatusIncomplete, "not run");
    if (!outcome.ok()) {
      why = outcome.message;
      return std::nullopt;
    }
    return sent_row(words, planned, why);
  }
};

class HostileGuest : public testing::Test {
 protected:
  HostileGuest() : folder_(temp_dir(), "hostile-") {}

  // `then`: shell, before QEMU ends.
  Came guest(const std::string& results, const std::string& console = "",
             const std::string& then = "") {
    write_file(place("results"), results);
    write_file(place("console"), console);
    // 3 is QMP, 4 the results, 5 the console.
    write_file(place("qemu"),
               "#!/bin/sh\n"
               "printf '{\"QMP\": {}}\\n' >&3\n"
               "read -r line <&3\n"
               "printf '{\"return\": {}}\\n' >&3\n"
               "cat '" +
                   place("console") +
                   "' >&5\n"
                   "cat '" +
                   place("results") + "' >&4\n" + then +
                   "\nprintf '{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": "
                   "\"guest-shutdown\"}}\\n' >&3\n",
               0755);
    GuestJob job;
    job.spec.qemu = place("qemu");
    job.deadlines = {.boot_s = 20, .cell_s = 20, .power_off_s = 20};
    job.most_console = job.most_results = 1 << 20;
    Came came;
    const std::atomic<bool> cancel = false;
    const auto begin = std::chrono::steady_clock::now();
    came.outcome = run_guest(
        job, [&](const wire::Frame& frame) { came.words.add(frame); }, cancel);
    came.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return came;
  }
  // Why there is no row of what a guest that is well otherwise sends.
  std::string refusal(const std::string& frames) {
    const Came came = guest(kHead + frames + kTail);
    std::string why;
    EXPECT_FALSE(came.row(why)) << frames.substr(0, 200);
    EXPECT_NE(why, "") << frames.substr(0, 200);
    return why;
  }
  std::string refusal_of(const nlohmann::json& row) {
    return refusal(wire::encode(wire::kResult, row.dump()));
  }
  std::string refusal_with(const char* field, const nlohmann::json& value) {
    nlohmann::json row = honest_row();
    row[field] = value;
    return refusal_of(row);
  }
  [[nodiscard]] std::string place(const std::string& name) const {
    return (folder_.path() / name).string();
  }

  TempDir folder_;
};

// Else all others would prove nothing.
TEST_F(HostileGuest, AnHonestOneIsTaken) {
  const Came came = guest(kHead + wire::encode(wire::kResult, honest_row().dump()) + kTail);
  EXPECT_EQ(came.outcome.message, "");
  std::string why;
  const std::optional<Row> row = came.row(why);
  ASSERT_TRUE(row) << why;
  EXPECT_TRUE(is_ok(*row));
  EXPECT_EQ(row->per_page, 5100);
}

TEST_F(HostileGuest, FramesThatLie) {
  const std::string row = wire::encode(wire::kResult, honest_row().dump());
  std::string other_sum = row;
  other_sum[other_sum.find('{')] = '[';
  EXPECT_NE(refusal(other_sum).find("1 damaged frame(s)"), std::string::npos);
  EXPECT_NE(refusal(row + "\nFLT1 result 0fffffff 00000000\n").find("within a frame"),
            std::string::npos);
  EXPECT_NE(refusal(row + "\nFLT1 result ffffffff 00000000\n").find("damaged"), std::string::npos);
  EXPECT_EQ(refusal(row + row), "the guest sent 2 rows of one cell");
  EXPECT_EQ(refusal(wire::encode(wire::kResult, "")), "the guest sent no row: it is no JSON");
  EXPECT_NE(refusal(wire::encode(wire::kFail, "\x1b[2J\n") + row).find("its reason is no JSON"),
            std::string::npos);
  // Every header claims all that follows.
  std::string claims;
  while (claims.size() < 1 << 19) claims += "\nFLT1 result 00080000 00000000\n";
  EXPECT_LT(guest(kHead + claims).seconds, 10);
}

TEST_F(HostileGuest, ARowOfAnotherCell) {
  EXPECT_EQ(refusal_with("name", "bookworm/ext4/volatile/first_touch/written/pte/t1/off"),
            "the guest sent a row of bookworm/ext4/volatile/first_touch/written/pte/t1/off");
  EXPECT_EQ(refusal_with("seed", 7),
            "the guest sent a row of another sample: its seed is 7 and not 0");
  EXPECT_NE(refusal_with("state", "written").find("its state is"), std::string::npos);
  EXPECT_NE(refusal_with("probes", "on").find("its probes is"), std::string::npos);
  EXPECT_NE(refusal_with("threads", 2).find("its threads is"), std::string::npos);
  EXPECT_NE(refusal_with("cell", "../../etc").find("its cell is"), std::string::npos);
  EXPECT_NE(refusal_with("kernel", "../../etc").find("its kernel is"), std::string::npos);
  EXPECT_NE(refusal_with("unit", "ns").find("its unit is"), std::string::npos);
}

TEST_F(HostileGuest, NumbersThatContradict) {
  EXPECT_NE(refusal_with("per_page", nullptr).find("lacks per_fault"), std::string::npos);
  EXPECT_NE(refusal_with("pages", 0).find("no page"), std::string::npos);
  EXPECT_NE(refusal_with("iterations", 63).find("iterations 63 and touches 64"), std::string::npos);
  EXPECT_NE(refusal_with("real_time", 1).find("real_time is not per_page"), std::string::npos);
  EXPECT_NE(refusal_with("reason", "it is not").find("gives a reason"), std::string::npos);
  EXPECT_NE(refusal_with("per_page", -1).find("a number from 0 on"), std::string::npos);
  EXPECT_NE(refusal_with("pages", 1e300).find("a count"), std::string::npos);
  EXPECT_NE(refusal_with("cpu_time", 1).find("cpu_time not per_fault"), std::string::npos);
  for (const char* kind : {"dropped", "missed", "recursion", "slots"}) {
    nlohmann::json row = honest_row();
    row["losses"][kind] = 1;
    EXPECT_NE(refusal_of(row).find("has losses"), std::string::npos) << kind;
  }
  nlohmann::json row = honest_row();
  for (const char* quantile : {"p50", "p90", "p99", "p99_9", "max"}) row[quantile] = 10;
  row["p90"] = 11;
  EXPECT_NE(refusal_of(row).find("quantiles fall"), std::string::npos);
}

TEST_F(HostileGuest, BytesThatAreNoText) {
  using namespace std::string_literals;
  std::string row = honest_row().dump();
  row.replace(row.find("first_touch"), 5, "\xff\xfe\x00xy"s);
  EXPECT_EQ(refusal(wire::encode(wire::kResult, row)), "the guest sent no row: it is no JSON");
  EXPECT_NE(refusal(wire::encode(wire::kResult, std::string(1 << 18, '['))), "");
  nlohmann::json with_nul = honest_row();
  with_nul["name"] = "a\0b"s;
  EXPECT_NE(refusal_of(with_nul), "");
}

// Where a row's records lie is no guest's to say.
TEST_F(HostileGuest, NamesOfFiles) {
  nlohmann::json row = honest_row();
  row["samples"] = {{"file", "../../../etc/passwd"}, {"first", 0}, {"count", 1}};
  const Came came = guest(kHead + wire::encode(wire::kResult, row.dump()) + kTail);
  std::string why;
  const std::optional<Row> taken = came.row(why);
  ASSERT_TRUE(taken) << why;
  EXPECT_FALSE(taken->samples);
  EXPECT_NE(refusal(wire::encode(wire::kSamples, "47 bytes are no record") +
                    wire::encode(wire::kResult, honest_row().dump()))
                .find("bytes of samples"),
            std::string::npos);
}

TEST_F(HostileGuest, OutputWithoutEnd) {
  const Came console = guest(kHead, "", "yes 'all is well' >&5");
  EXPECT_EQ(console.outcome.verdict, Verdict::kTooMuchSaid);
  EXPECT_NE(console.outcome.message.find("it printed over 1 MiB"), std::string::npos)
      << console.outcome.message;
  EXPECT_LT(console.seconds, 15);
  // Each frame is whole, and puts off the deadline.
  const Came frames = guest(kHead + wire::encode(wire::kResult, honest_row().dump()), "",
                            "while cat '" + place("results") + "'; do :; done >&4");
  EXPECT_EQ(frames.outcome.verdict, Verdict::kTooMuchSaid);
  EXPECT_NE(frames.outcome.message.find("over 1 MiB of results"), std::string::npos);
  EXPECT_LT(frames.seconds, 15);
  std::string why;
  EXPECT_FALSE(frames.row(why));
}

TEST_F(HostileGuest, AConsoleOfAnyBytesComesIntoAResultThatCanBeRead) {
  const Came came = guest(
      kHead + wire::encode(wire::kFail, R"({"stage": "cell", "message": "a\n\u001b[2Jb\u0000c"})"),
      "WARNING: \xff\xfe\x1b[2J at here\n");
  EXPECT_FALSE(came.outcome.ok());
  EXPECT_EQ(came.outcome.message.find_first_of("\n\x1b"), std::string::npos)
      << came.outcome.message;
  Row row = empty_row(asked_cell(), kStatusFailed, came.outcome.message);
  row.reason += came.outcome.console;
  write_result(folder_.path(), {{"complete", false}}, {row});
  const ReadResult read = read_result(folder_.path());
  ASSERT_EQ(read.rows.size(), 1U);
  EXPECT_FALSE(is_ok(read.rows.front()));
}

TEST_F(HostileGuest, AQemuWhoseEventsAreOfAnotherKind) {
  const Came came =
      guest(kHead, "",
            R"(printf '{"event": 7, "data": []}\n{"event": "SHUTDOWN", "data": 3}\n' >&3; exit 0)");
  EXPECT_EQ(came.outcome.verdict, Verdict::kNoDone);
}

// Fields of another type are as if they were not there.
TEST(HostileWords, OfAFileSystem) {
  const nlohmann::json made = made_file_system({{"mkfs", 7}, {"mount", {1, 2}}, {"features", "x"}});
  EXPECT_EQ(made.at("mkfs"), "");
  EXPECT_EQ(made.at("mount"), "");
}

TEST(HostileWords, ThatNestTooDeep) {
  const std::string deep(1 << 20, '[');
  EXPECT_TRUE(parse_json(deep).is_discarded());
  EXPECT_TRUE(parse_json(deep + std::string(deep.size(), ']')).is_discarded());
  EXPECT_TRUE(parse_json(R"({"a": "[[\"[", "b": [[1]]})").is_object());
  EXPECT_EQ(nesting_of(R"({"a": "[[\"[", "b": [[1]]})"), 3);
}

}  // namespace
}  // namespace faultline

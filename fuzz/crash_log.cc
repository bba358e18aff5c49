// SPDX-License-Identifier: GPL-2.0-only
// The log of stores to pmem, and what a crash test makes of one that is whole.
#include <cstring>
#include <vector>

#include "campaign/crash_images.h"
#include "campaign/power_cut.h"
#include "fuzz/target.h"
#include "harness/wire.h"

namespace faultline::fuzz {
namespace {

constexpr std::size_t kPages = 4;  // of the writer's file
constexpr std::size_t kPoints = 3;

PmemRecord crash_log_word(wire::CrashWord word) {
  return {.value = wire::crash_word_of(word, 0), .kind = PmemRecord::Kind::kWord};
}

}  // namespace

// The bytes are records; the begin and the end are put around them, so that the middle is reached.
FAULTLINE_FUZZ(crash_log) {
  refused_or_taken([&] {
    std::vector<PmemRecord> records(bytes.size() / sizeof(PmemRecord));
    if (!records.empty())
      std::memcpy(records.data(), bytes.data(), records.size() * sizeof(PmemRecord));
    records.insert(records.begin(), crash_log_word(wire::CrashWord::kBegin));
    records.push_back(crash_log_word(wire::CrashWord::kEnd));
    check_pmem_records(records);
    PmemImage end;
    for (const PmemRecord& record : records) end.apply(record);
    const PmemTrace trace = PmemTrace::of(std::move(records), PmemImage(), end);
    const std::uint64_t sector = sector_of(trace.begin);
    CrashImages images(
        trace, crash_points(trace.records, kPoints, 1, sector),
        {.model = CrashModel::kPx86, .sector = sector, .per_point = kPoints, .pages = kPages});
    while (const auto image = images.next()) {
      CrashImage copy = *image;
      copy.bytes.drop_last_commit();
      judge_crash(copy.state, nullptr);
    }
  });
}

}  // namespace faultline::fuzz

// SPDX-License-Identifier: GPL-2.0-only
// The formats that a result is exported to: one row each in trace_formats().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trace/samples.h"
#include "trace/timeline.h"

namespace faultline {

// Bits of a fault's result with their names, from the guest's table.
class FaultResults {
 public:
  explicit FaultResults(std::vector<std::pair<std::string, uint32_t>> names)
      : names_(std::move(names)) {}
  // "NOPAGE|NEEDDSYNC"; bits without a name in hexadecimal; "0" for none.
  [[nodiscard]] const std::string& text(uint32_t result) const;

 private:
  std::vector<std::pair<std::string, uint32_t>> names_;
  mutable std::map<uint32_t, std::string> texts_;
};

// The name of a mapping's order: "pte" for 0, else "pmd", whose order is 9 and was 1 before v6.6.
const char* order_name(uint32_t order);

// Where a writer's bytes go, in pieces of any size.
using Sink = std::function<void(std::string_view)>;
// A writer hands on its bytes when it has this many.
inline constexpr size_t kTracePiece = 1 << 20;

class TraceWriter {
 public:
  TraceWriter() = default;
  virtual ~TraceWriter() = default;
  TraceWriter(const TraceWriter&) = delete;
  TraceWriter& operator=(const TraceWriter&) = delete;

  virtual void add(const SampleRow& row, const Timeline& timeline) = 0;
  virtual void finish(const SampleFile& file) = 0;
};

struct TraceFormat {
  const char* id;
  const char* summary;
  // Makes a writer of samples; nullptr for a format of the result itself, which reports/ writes
  // (reports/export.py, FORMATS).
  std::unique_ptr<TraceWriter> (*make)(const Sink& sink, const FaultResults& results);
};
const std::vector<TraceFormat>& trace_formats();

std::unique_ptr<TraceWriter> make_perfetto(const Sink& sink, const FaultResults& results);

}  // namespace faultline

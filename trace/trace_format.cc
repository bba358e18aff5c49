// SPDX-License-Identifier: GPL-2.0-only
#include "trace/trace_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace faultline {
namespace {

constexpr uint64_t kPerSecond = 1'000'000'000;

// Text that is handed on in large pieces.
class Text {
 public:
  explicit Text(const Sink& sink) : sink_(sink) {}
  template <typename... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    if (text_.size() >= kTracePiece) flush();
  }
  void flush() {
    sink_({text_.data(), text_.size()});
    text_.clear();
  }

 private:
  const Sink& sink_;
  fmt::memory_buffer text_;
};

// RFC 4180.
std::string csv_field(const std::string& text) {
  if (text.find_first_of("\",\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

class Csv : public TraceWriter {
 public:
  Csv(const Sink& sink, const FaultResults& results) : text_(sink), results_(results) {
    text_.print(
        "cell,seed,repetition,unit,kind,tid,start,duration,address,result,result_names,order,"
        "link\n");
  }
  void add(const SampleRow& row, const Timeline& timeline) override {
    const std::string cell = fmt::format("{},{},{},{}", csv_field(row.name), row.seed,
                                         row.repetition, csv_field(row.unit));
    std::vector<std::string> kinds;
    std::vector<bool> of_fault;
    for (const std::string& kind : row.kinds) {
      kinds.push_back(csv_field(kind));
      of_fault.push_back(kind_named(kind).of_fault);
    }
    for (const Placed& placed : timeline.placed) {
      const Sample& s = row.samples[placed.sample];
      text_.print("{},{},{},{},{},{:#x},{},{},{},{}\n", cell, kinds[s.kind], s.tid, s.start,
                  s.duration, s.address, s.result,
                  of_fault[s.kind] && s.result != 0 ? results_.text(s.result) : "", s.order,
                  s.link);
    }
  }
  void finish(const SampleFile& /*file*/) override { text_.flush(); }

 private:
  Text text_;
  const FaultResults& results_;
};

// A frame's name as the readers of `perf script` take it: one word.
std::string one_word(std::string text) {
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= ' ' || byte == 0x7f || c == '(' || c == ')' || c == ';') c = '_';
  }
  return text.empty() ? "_" : text;
}

// Writes samples as `perf script` prints them with call chains. The period is the time that a
// sample has for itself, so that a flame graph made from the text adds up.
class PerfScript : public TraceWriter {
 public:
  PerfScript(const Sink& sink, const FaultResults& results) : text_(sink), results_(results) {
    text_.print("# faultline export: the event is the unit, the period a sample's own time\n");
  }
  void add(const SampleRow& row, const Timeline& timeline) override {
    const std::string cell = one_word(life_name(row));
    // Threads of several lives have the same numbers and times: their names tell them apart.
    const std::string life = one_word(life_name(row).substr(row.name.size()));
    const std::string suffix = life == "_" ? "" : life;
    const std::string unit = one_word(row.unit);
    std::vector<std::string> names;
    std::vector<KindRow> kinds;
    for (const std::string& kind : row.kinds) {
      names.push_back(one_word(kind));
      kinds.push_back(kind_named(kind));
    }
    for (const Placed& placed : timeline.placed) {
      const Sample& s = row.samples[placed.sample];
      const bool journal = kinds[s.kind].home == Home::kJournal;
      text_.print("{} {} {}.{:09}: {:>10} {}: \n",
                  (journal ? "journal" : fmt::format("thread-{}", s.tid)) + suffix, s.tid,
                  s.start / kPerSecond, s.start % kPerSecond, placed.self, unit);
      for (uint32_t at = static_cast<uint32_t>(&placed - timeline.placed.data());
           at != Placed::kNone; at = timeline.placed[at].parent) {
        const Sample& frame = row.samples[timeline.placed[at].sample];
        const bool bytes = kinds[frame.kind].home == Home::kJournal;
        text_.print("\t{:16x} {} ({})\n", bytes ? 0 : frame.address, names[frame.kind],
                    details(kinds[frame.kind], frame));
      }
      text_.print("\t{:16x} {} ([cell])\n\n", 0, cell);
    }
  }
  void finish(const SampleFile& /*file*/) override { text_.flush(); }

 private:
  [[nodiscard]] std::string details(const KindRow& kind, const Sample& s) const {
    std::string text;
    const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ",") + part; };
    if (s.order != 0 || (kind.of_fault && kind.show_zero)) {
      add(kind.of_fault ? order_name(s.order) : fmt::format("{}={}", kind.order_name, s.order));
    }
    if (s.result != 0 || kind.show_zero) {
      add(kind.of_fault ? results_.text(s.result)
                        : fmt::format("{}={}", kind.result_name, s.result));
    }
    if (kind.home == Home::kJournal && s.address != 0) add(fmt::format("bytes={}", s.address));
    if (s.link != 0) add(fmt::format("{}={}", kind.link_name, s.link));
    return text.empty() ? "[faultline]" : text;
  }

  Text text_;
  const FaultResults& results_;
};

template <typename Writer>
std::unique_ptr<TraceWriter> make(const Sink& sink, const FaultResults& results) {
  return std::make_unique<Writer>(sink, results);
}

}  // namespace

const std::string& FaultResults::text(uint32_t result) const {
  std::string& text = texts_[result];
  if (!text.empty()) return text;
  uint32_t left = result;
  for (const auto& [name, bit] : names_) {
    if ((left & bit) == 0) continue;
    text += (text.empty() ? "" : "|") + name;
    left &= ~bit;
  }
  if (left != 0 || text.empty()) text += fmt::format("{}{:#x}", text.empty() ? "" : "|", left);
  if (result == 0) text = "0";
  return text;
}

const char* order_name(uint32_t order) { return order == 0 ? "pte" : "pmd"; }

const std::vector<TraceFormat>& trace_formats() {
  static const std::vector<TraceFormat> table = {
      {.id = "perfetto",
       .summary = "a trace for ui.perfetto.dev and trace_processor",
       .make = make_perfetto},
      {.id = "csv", .summary = "one line per sample", .make = make<Csv>},
      {.id = "perf-script",
       .summary = "text as `perf script` prints it, for flame graphs",
       .make = make<PerfScript>},
      {.id = "kcidb",
       .summary = "a submission to KCIDB, schema 5.3: a test per cell",
       .make = nullptr},
      {.id = "lava", .summary = "LAVA's test case signals, a line per cell", .make = nullptr},
      {.id = "junit", .summary = "JUnit XML, a test case per cell", .make = nullptr}};
  return table;
}

}  // namespace faultline

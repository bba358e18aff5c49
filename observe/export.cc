// SPDX-License-Identifier: GPL-2.0-only
#include "observe/export.h"

#include <fmt/format.h>
#include <zlib.h>

#include <map>
#include <set>
#include <string_view>
#include <unordered_map>

#include "cell/failure.h"

namespace faultline::observe {
namespace {

// What a line of callgrind's costs: instructions, then the events that the file has.
using Costs = std::vector<std::uint64_t>;
void add(Costs& to, const Costs& more) {
  if (to.empty()) to.resize(more.size());
  for (std::size_t i = 0; i < more.size(); ++i) to[i] += more[i];
}

// Fields of protobuf's wire format that profile.proto needs: whole numbers and bytes.
class Message {
 public:
  void number(unsigned field, std::uint64_t value) {
    varint(field << 3);
    varint(value);
  }
  void bytes(unsigned field, std::string_view value) {
    varint(field << 3 | 2);
    varint(value.size());
    out_.append(value);
  }
  void packed(unsigned field, const std::vector<std::uint64_t>& values) {
    Message inner;
    for (const std::uint64_t value : values) inner.varint(value);
    bytes(field, inner.out_);
  }
  [[nodiscard]] const std::string& text() const { return out_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<char>(value | 0x80));
    out_.push_back(static_cast<char>(value));
  }
  std::string out_;
};

std::string gzipped(const std::string& text) {
  z_stream stream{};
  constexpr int kGzip = 15 + 16;  // the largest window, with gzip's header
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    throw Failure(ExitCode::kVmFailed, "zlib has no memory");
  }
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // NOLINT: only read
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int rc = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (rc != Z_STREAM_END) throw Failure(ExitCode::kVmFailed, "zlib did not end");
  return out;
}

}  // namespace

std::string folded(const Profile& profile) {
  std::string out;
  for (const auto& [stack, instructions] : profile.stacks) {
    out += fmt::format("{} {}\n", fmt::join(stack, ";"), instructions);
  }
  return out;
}

std::string callgrind(const Profile& profile, const std::string& title) {
  std::vector<std::size_t> shown;  // events of which there were any
  for (std::size_t i = 0; i < kEvents; ++i) {
    if (profile.events[i] != 0) shown.push_back(i);
  }
  const auto costs_of = [&](std::uint64_t instructions, const EventCounts& events) {
    Costs costs = {instructions};
    for (const std::size_t i : shown) costs.push_back(events[i]);
    return costs;
  };
  std::map<std::string, Costs> own;
  std::map<std::string, std::map<std::string, Costs>> called;  // inclusive
  const auto take = [&](const Profile::Stack& stack, const Costs& costs) {
    add(own[frame_name(stack, stack.size() - 1)], costs);
    std::set<std::pair<std::string, std::string>> seen;
    for (std::size_t i = 2; i < stack.size(); ++i) {
      // An edge of a recursion counts once.
      std::pair<std::string, std::string> edge(frame_name(stack, i - 1), frame_name(stack, i));
      if (seen.insert(edge).second) add(called[edge.first][edge.second], costs);
    }
  };
  for (const auto& [stack, instructions] : profile.stacks) take(stack, costs_of(instructions, {}));
  for (const auto& [stack, events] : profile.stack_events) take(stack, costs_of(0, events));
  const Costs all = costs_of(profile.total(), profile.events);
  for (const auto& [caller, callees] : called) own.try_emplace(caller, all.size());
  std::string names = "Ir";
  std::string meanings = "event: Ir : instructions\n";
  for (const std::size_t i : shown) {
    const EventName& name = event_name(static_cast<Event>(i));
    names += fmt::format(" {}", name.id);
    meanings += fmt::format("event: {} : {}\n", name.id, name.means);
  }
  std::string out = fmt::format(
      "# callgrind format\nversion: 1\ncreator: faultline\ncmd: {}\npositions: line\n"
      "{}events: {}\nsummary: {}\n\nfl=guest\n",
      title, meanings, names, fmt::join(all, " "));
  for (const auto& [function, costs] : own) {
    out += fmt::format("\nfn={}\n0 {}\n", function, fmt::join(costs, " "));
    const auto callees = called.find(function);
    if (callees == called.end()) continue;
    for (const auto& [callee, inclusive] : callees->second) {
      const auto calls = profile.calls.find({function, callee});
      out +=
          fmt::format("cfn={}\ncalls={} 0\n0 {}\n", callee,
                      calls == profile.calls.end() ? 1 : calls->second, fmt::join(inclusive, " "));
    }
  }
  out += fmt::format("\ntotals: {}\n", fmt::join(all, " "));
  return out;
}

std::string pprof(const Profile& profile, const std::string& title) {
  std::vector<std::string> strings = {""};
  std::unordered_map<std::string, std::uint64_t> indices = {{"", 0}};
  const auto string_of = [&](const std::string& text) {
    const auto [found, added] = indices.emplace(text, strings.size());
    if (added) strings.push_back(text);
    return found->second;
  };
  // https://github.com/google/pprof/blob/main/proto/profile.proto has the fields' numbers.
  Message out;
  Message type;
  type.number(1, string_of("instructions"));
  type.number(2, string_of("count"));
  out.bytes(1, type.text());
  std::map<std::string, std::uint64_t> locations;  // one a function
  for (const auto& [stack, instructions] : profile.stacks) {
    std::vector<std::uint64_t> leaf_first;
    for (auto frame = stack.rbegin(); frame != stack.rend(); ++frame) {
      leaf_first.push_back(locations.try_emplace(*frame, locations.size() + 1).first->second);
    }
    Message sample;
    sample.packed(1, leaf_first);
    sample.packed(2, {instructions});
    out.bytes(2, sample.text());
  }
  for (const auto& [function, id] : locations) {
    Message line;
    line.number(1, id);
    Message location;
    location.number(1, id);
    location.bytes(4, line.text());
    out.bytes(4, location.text());
    Message about;
    about.number(1, id);
    about.number(2, string_of(function));
    about.number(3, string_of(function));
    out.bytes(5, about.text());
  }
  const std::uint64_t comment = string_of(title);
  for (const std::string& text : strings) out.bytes(6, text);
  out.number(13, comment);
  return gzipped(out.text());
}

}  // namespace faultline::observe

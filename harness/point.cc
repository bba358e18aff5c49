// SPDX-License-Identifier: GPL-2.0-only
#include "harness/point.h"

#include <utility>

namespace faultline {
namespace {

// A function's entry or return: the names that it had over the versions, each by BTF, then each
// without.
Point function(const std::string& id, const std::string& program, Means by_btf, Means without,
               const std::vector<std::string>& names) {
  Point point{.id = id};
  for (const Means means : {by_btf, without}) {
    for (const std::string& name : names) {
      point.ways.push_back({program + "_" + means_name(means), means, {name}});
    }
  }
  return point;
}

}  // namespace

const char* means_name(Means means) {
  switch (means) {
    case Means::kRawTracepoint:
      return "raw_tp";
    case Means::kFentry:
      return "fentry";
    case Means::kFexit:
      return "fexit";
    case Means::kKprobe:
      return "kprobe";
    case Means::kKretprobe:
      return "kretprobe";
  }
  return "?";
}

Point raw_tracepoint(const std::string& id, const std::string& program,
                     std::vector<std::string> names, bool required) {
  return {id, {{program, Means::kRawTracepoint, std::move(names)}}, "", required};
}

Point entry_point(const std::string& id, const std::string& program,
                  const std::vector<std::string>& names) {
  return function(id, program, Means::kFentry, Means::kKprobe, names);
}

Point return_point(const std::string& id, const std::string& program,
                   const std::vector<std::string>& names) {
  return function(id, program, Means::kFexit, Means::kKretprobe, names);
}

void add_pair(std::vector<Point>& points, const std::string& enter, const std::string& leave,
              const std::string& enter_program, const std::string& leave_program,
              const std::vector<std::string>& names) {
  // The return first: an entry without it would leave something open.
  points.push_back(return_point(leave, leave_program, names));
  points.push_back(entry_point(enter, enter_program, names));
}

}  // namespace faultline

// SPDX-License-Identifier: GPL-2.0-only
// Something in the kernel that a set of probes wants to see, and the programs of bpf/ that can see
// it. Pure.
#pragma once

#include <string>
#include <vector>

namespace faultline {

enum class Means { kRawTracepoint, kFentry, kFexit, kKprobe, kKretprobe };
const char* means_name(Means means);

// One way to see what a point is about: a program, and all the places where it must attach.
struct Attachment {
  std::string program;  // in bpf/probes.bpf.c
  Means means = Means::kRawTracepoint;
  std::vector<std::string> targets;  // kernel functions or tracepoints
  unsigned arguments = 0;            // of the function, where the program needs it
};

// Something that a set of probes wants to see, and the ways to, the best first.
struct Point {
  std::string id = {};
  std::vector<Attachment> ways = {};
  // The point in whose place this one stands, where that has no way.
  std::string instead = {};
  // True if the set's figures would be wrong without this point, and not just fewer.
  bool required = false;
};

Point raw_tracepoint(const std::string& id, const std::string& program,
                     std::vector<std::string> names, bool required = false);
// A function's entry or return: `names` are those that it had over the versions. Each is tried by
// BTF, then each without.
Point entry_point(const std::string& id, const std::string& program,
                  const std::vector<std::string>& names);
Point return_point(const std::string& id, const std::string& program,
                   const std::vector<std::string>& names);
// Adds the points of a function's entry and return, the return first: an entry without it would
// leave something open.
void add_pair(std::vector<Point>& points, const std::string& enter, const std::string& leave,
              const std::string& enter_program, const std::string& leave_program,
              const std::vector<std::string>& names);

}  // namespace faultline

// SPDX-License-Identifier: GPL-2.0-only
// The one table of the matrix's axes: the options that select on them, the plan, the schema and the
// grammar of names follow from it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cell/cell.h"
#include "cell/file_system.h"
#include "cell/strategy.h"
#include "cell/workload.h"

namespace faultline {

// One value that an axis offers to a cell that the axes before it have filled.
struct AxisValue {
  std::string name;           // what a pattern may meet
  std::string group = {};     // another name that meets it: `fsync` meets `fsync:8`
  bool by_default = true;     // chosen where the user names none on this axis
  bool only_by_name = false;  // no glob meets it (self-tests)
  bool always = false;        // there whatever is named: another axis decides
  std::function<void(Cell&)> put = {};
};

// What the values come from: the tables, or a test's own.
struct Sources {
  std::span<const FileSystem> file_systems = faultline::file_systems();
  std::span<const Workload> workloads = faultline::workloads();
  std::span<const TouchRow> touches = faultline::touches();
  // Values of K that the matrix does not hold, and a user has named: the strategy, and K.
  std::vector<std::pair<std::string, std::uint64_t>> more_k = {};
  [[nodiscard]] const Workload* workload(const std::string& id) const;
};

// Which cells' names have an axis.
enum class InName { kAlways, kSometimes, kOfAContest, kSometimesOfAContest };

struct Axis {
  const char* id;       // the option without its dashes
  const char* field;    // of a row
  const char* help;     // of the option, without its values
  bool listed = false;  // the option's help lists the values
  const char* letter;   // before the value in a name
  InName in_name = InName::kAlways;
  unsigned rank;  // of the loops of a plan, outermost first
  // All names that a selection may use, for messages.
  std::vector<std::string> (*known)(const Sources& sources);
  // The values for a cell that the axes of lower rank have filled. A value without a name says that
  // the cell does not have the axis.
  std::vector<AxisValue> (*offers)(const Sources& sources, const Cell& cell);
  // The cell's value as a name has it; empty: a name leaves it out.
  std::string (*value)(const Cell& cell);
};

// The value that a cell gets where none is named, by the first workload that has the axis; nullopt
// if there are several by default, or none.
std::optional<std::string> usual_value(const Axis& axis);
// The option's help: what it is, and which values it takes, or which it has where none is named.
std::string axis_help(const Axis& axis);

// The axes, in the order in which a name has them, which is that of the options.
std::span<const Axis> axes();
// Finds an axis by its id; nullptr when there is none.
const Axis* find_axis(const std::string& id);

// The most touches that a cell can have.
inline constexpr std::uint64_t kMaxTouches = std::uint64_t{1} << 20U;

}  // namespace faultline

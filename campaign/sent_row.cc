// SPDX-License-Identifier: GPL-2.0-only
#include "campaign/sent_row.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "cell/axes.h"
#include "cell/json_text.h"
#include "cell/sample_file.h"

namespace faultline {
namespace {

// What a row and the cell that was asked for have in common: every field by which one sample is
// told from another, and by which rows are compared.
std::vector<std::string> fields_of_the_cell() {
  std::vector<std::string> fields = {
      "name", "run_name",         "cell", "kernel",    "probes",     "writes_per_sync", "seed",
      "vary", "repetition_index", "unit", "time_unit", "time_domain"};
  for (const Axis& axis : axes()) fields.emplace_back(axis.field);
  return fields;
}

std::string shown(const nlohmann::json& json, const std::string& field) {
  return json.contains(field) ? json[field].dump() : "nothing";
}

}  // namespace

void SentWords::add(const wire::Frame& frame) {
  if (frame.type == wire::kSamples) samples += frame.payload;
  if (frame.type == wire::kResult) results.push_back(frame.payload);
}

std::string contradiction_in(const Row& row) {
  if (!is_ok(row)) return "";
  if (!row.reason.empty()) return "it is ok and gives a reason why it is not";
  if (!row.per_fault || !row.per_page || !row.pages || !row.touches) {
    return "it is ok and lacks per_fault, per_page, pages or touches";
  }
  if (row.iterations != *row.touches) {
    return fmt::format("iterations {} and touches {}", row.iterations, *row.touches);
  }
  if (row.real_time != row.per_page || row.cpu_time != row.per_fault) {
    return "real_time is not per_page, or cpu_time not per_fault";
  }
  // All runs of a contest may have starved, but a loop has touched what its figures are means of.
  if (!row.scan && (*row.pages == 0 || *row.touches == 0)) return "figures of no page";
  const std::array quantiles = {row.p50, row.p90, row.p99, row.p99_9, row.max};
  for (std::size_t i = 1; i < quantiles.size(); ++i) {
    if (quantiles[i - 1].has_value() != quantiles[i].has_value())
      return "some quantiles are missing";
    if (quantiles[i] && quantiles[i - 1]->value > quantiles[i]->value) return "its quantiles fall";
  }
  if (row.losses &&
      row.losses->dropped + row.losses->missed + row.losses->recursion + row.losses->slots != 0) {
    return "it is ok and has losses";
  }
  return "";
}

std::optional<Row> sent_row(const SentWords& words, const Row& planned, std::string& why) {
  if (words.results.empty()) return std::nullopt;
  const auto refused = [&](std::string wrong) {
    why = std::move(wrong);
    return std::nullopt;
  };
  if (words.results.size() > 1) {
    return refused(fmt::format("the guest sent {} rows of one cell", words.results.size()));
  }
  if (words.samples.size() % sizeof(SampleRecord) != 0) {
    return refused(fmt::format("the guest sent {} bytes of samples, of which each has {}",
                               words.samples.size(), sizeof(SampleRecord)));
  }
  try {
    const nlohmann::json json = parse_json(words.results.front());
    if (json.is_discarded()) return refused("the guest sent no row: it is no JSON");
    Row sent = row_from_json(json);
    if (sent.name != planned.name) {
      return refused(
          fmt::format("the guest sent a row of {}", static_cast<const std::string&>(sent.name)));
    }
    const nlohmann::json of_plan = json_of(planned);
    for (const std::string& field : fields_of_the_cell()) {
      if (json.contains(field) == of_plan.contains(field) &&
          (!json.contains(field) || json[field] == of_plan[field])) {
        continue;
      }
      return refused(fmt::format("the guest sent a row of another sample: its {} is {} and not {}",
                                 field, shown(json, field), shown(of_plan, field)));
    }
    if (const std::string wrong = contradiction_in(sent); !wrong.empty()) {
      return refused(fmt::format("the guest's row contradicts itself: {}", wrong));
    }
    sent.repetitions = planned.repetitions;
    sent.accel = planned.accel;
    sent.vcpus = planned.vcpus;
    // Where its records lie is for whoever writes them to say.
    sent.samples.reset();
    return sent;
  } catch (const Failure& failure) {
    return refused(fmt::format("the guest sent no row: {}", failure.what()));
  }
}

}  // namespace faultline

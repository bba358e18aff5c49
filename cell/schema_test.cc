// SPDX-License-Identifier: GPL-2.0-only
#include "cell/schema.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "cell/row.h"

namespace faultline {
namespace {

using nlohmann::json;
using NameSet = std::set<std::string>;

// With FAULTLINE_WRITE_SCHEMA in the environment it writes the file instead.
TEST(Schema, IsTheOneInTheRepository) {
  const std::string path = FAULTLINE_SOURCE_DIR "/reports/result.schema.json";
  const std::string text = result_schema().dump(2) + "\n";
  if (std::getenv("FAULTLINE_WRITE_SCHEMA") != nullptr) std::ofstream(path) << text;
  std::ifstream in(path);
  std::ostringstream there;
  there << in.rdbuf();
  EXPECT_TRUE(there.str() == text) << "a row has other fields than reports/result.schema.json: "
                                      "build/faultline list --schema > reports/result.schema.json";
}

json row_schema() { return result_schema()["definitions"]["row"]; }

// Calls `seen` with each record in a schema and the path to it.
template <typename Seen>
void walk(const json& schema, const std::string& path, const Seen& seen) {
  if (schema.contains("properties")) {
    seen(schema, path);
    for (const auto& [name, property] : schema["properties"].items()) {
      walk(property, path.empty() ? name : path + "." + name, seen);
    }
  }
  if (schema.contains("items")) walk(schema["items"], path + "[]", seen);
}

TEST(Schema, OfARowTakesItsFieldsAndNoOther) {
  NameSet fields;
  Row::fields([&](const auto& field) { fields.insert(field.name); });
  const json row = row_schema();
  NameSet properties;
  for (const auto& [name, property] : row["properties"].items()) properties.insert(name);
  EXPECT_EQ(properties, fields);

  NameSet may_be_absent;
  std::size_t records = 0;
  walk(row, "", [&](const json& record, const std::string& path) {
    ++records;
    EXPECT_EQ(record["additionalProperties"], false) << path;
    NameSet required;
    for (const json& name : record["required"]) {
      EXPECT_TRUE(required.insert(name.get<std::string>()).second) << path << name;
      EXPECT_TRUE(record["properties"].contains(name)) << path << name;
    }
    for (const auto& [name, property] : record["properties"].items()) {
      EXPECT_TRUE(property.contains("description")) << path << " " << name;
      if (required.count(name) == 0) may_be_absent.insert(path.empty() ? name : path + "." + name);
    }
  });
  EXPECT_EQ(may_be_absent, (NameSet{"cell",
                                    "journal.asked",
                                    "journal.log_forces",
                                    "journal.served",
                                    "journal.log_bytes",
                                    "journal.commits_per_fault",
                                    "journal.log_bytes_per_fault",
                                    "journal.sync_waiting",
                                    "outlier.here.interruptions",
                                    "outlier.here.alone",
                                    "outlier.typical.interruptions",
                                    "outlier.typical.alone",
                                    "stores_per_page",
                                    "fault_deadline_ms",
                                    "retry_time",
                                    "extents",
                                    "longest_touch",
                                    "durable",
                                    "path",
                                    "profile",
                                    "vector",
                                    "vector.tlb",
                                    "vector.writers",
                                    "caches"}));
  // The row; losses, probe and its 4, journal and its 4, phases, locks, reasons, interrupts,
  // interruptions, counters, durable, outlier with its 2 and their interruptions, samples, module,
  // starved, refused, reference, scan, profile, vector, caches.
  EXPECT_EQ(records, 33U);
}

// Whether what an `if`, a `then` and the like say of a record's fields is of fields that there are.
void expect_known(const json& rule, const json& record, const json& definitions) {
  for (const auto& [key, value] : rule.items()) {
    if (key == "allOf") {
      for (const json& part : value) expect_known(part, record, definitions);
    } else if (key == "if" || key == "then" || key == "else" || key == "not") {
      expect_known(value, record, definitions);
    } else if (key == "$ref") {
      const std::string name =
          value.get<std::string>().substr(std::string("#/definitions/").size());
      ASSERT_TRUE(definitions.contains(name)) << value;
      expect_known(definitions[name], record, definitions);
    } else if (key == "required") {
      for (const json& name : value) EXPECT_TRUE(record["properties"].contains(name)) << name;
    } else if (key == "properties") {
      for (const auto& [name, property] : value.items()) {
        ASSERT_TRUE(record["properties"].contains(name)) << name;
        expect_known(property, record["properties"][name], definitions);
      }
    }
  }
}

TEST(Schema, RulesBetweenFieldsAreOfFieldsThatThereAre) {
  const json schema = result_schema();
  const json& definitions = schema["definitions"];
  expect_known({{"allOf", definitions["row"]["allOf"]}}, definitions["row"], definitions);
  expect_known({{"allOf", definitions["context"]["allOf"]}}, definitions["context"], definitions);
  EXPECT_EQ(definitions["row"]["allOf"].size(), 8U);
}

TEST(Schema, ContestsAreThoseOfTheTable) {
  const json rule = row_schema()["allOf"].back();
  EXPECT_EQ(rule["if"]["properties"]["workload"], json::parse(R"({"enum": ["dos", "bystander"]})"));
}

void collect_references(const json& part, NameSet& names) {
  if (!part.is_structured()) return;
  for (const auto& [key, value] : part.items()) {
    if (key == "$ref") names.insert(value.get<std::string>());
    collect_references(value, names);
  }
}

TEST(Schema, EveryDefinitionIsUsed) {
  const json schema = result_schema();
  NameSet used;
  collect_references(schema, used);
  NameSet there;
  for (const auto& [name, part] : schema["definitions"].items()) {
    there.insert("#/definitions/" + name);
  }
  EXPECT_EQ(used, there);
}

TEST(Schema, IdsOfARowsFields) {
  const json row = row_schema()["properties"];
  EXPECT_EQ(row["status"]["enum"], json::parse(R"(["ok", "skipped", "incomplete", "failed"])"));
  EXPECT_EQ(row["accel"]["enum"], json::parse(R"(["tcg-icount", "tcg", "kvm", "none"])"));
  EXPECT_EQ(row["unit"]["enum"], json::parse(R"(["instr", "ns"])"));
  EXPECT_EQ(row["time_domain"]["enum"], json::parse(R"(["virtual", "wall"])"));
  EXPECT_EQ(row["life"]["enum"], json::parse(R"(["restored", "booted", null])"));
  EXPECT_EQ(row["setting"]["enum"],
            json::parse(R"(["deterministic", "deterministic2", "concurrent", null])"));
  EXPECT_EQ(row["mapped_order"]["enum"], json::parse(R"(["pte", "pmd", "none", null])"));
  EXPECT_EQ(row["line_flush"]["enum"], json::parse(R"(["clwb", "clflushopt", "clflush", null])"));
  EXPECT_EQ(row["probe"]["properties"]["sync"]["properties"]["means"]["enum"],
            json::parse(R"(["", "raw_tp", "fentry", "fexit", "kprobe", "kretprobe"])"));
  // What a seed may vary is one list.
  NameSet vary;
  for (const json& id : row["vary"]["enum"]) vary.insert(id.get<std::string>());
  NameSet known = {kVaryAll, kVaryNone};
  for (const auto& accident : kAccidentTable) known.insert(accident.id);
  EXPECT_EQ(vary, known);
  for (const std::string& id : vary) EXPECT_TRUE(is_varied(id)) << id;
}

TEST(Reference, HasALineForEachField) {
  const std::string text = row_reference();
  EXPECT_TRUE(
      text.starts_with("| field | unit | meaning |\n"
                       "|---|---|---|\n"
                       "| `name` |  | "));
  for (const char* line : {
           "\n| `writes_per_sync` | pages | K, \"all\" (once, after the last), or null where the "
           "strategy has none |\n",
           "\n| `losses.dropped` | count | records that the ring buffer had no room for |\n",
           "\n| `probe.fault.p50` | ns | the duration at or below which half of the events lie |\n",
           "\n| `phases[].id` |  | ",
           "\n| `journal.asked.fsync` | count | by fsync, msync or fdatasync |\n",
           "\n| `outlier.here.interruptions[].kind` |  | ",
           "\n| `scan[].each` | unit | mean store (touch) |\n",
       }) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
  // A bar in a text would be a column.
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_EQ(std::count(line.begin(), line.end(), '|'), 4) << line;
  }
}

}  // namespace
}  // namespace faultline

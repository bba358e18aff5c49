// SPDX-License-Identifier: GPL-2.0-only
#include "cell/record.h"

#include <gtest/gtest.h>

#include "cell/testing.h"

namespace faultline {
namespace {

using nlohmann::json;

constexpr const char* kColours[] = {"red", "green"};
using Counts = std::map<std::string, Count>;
using Two = std::array<Count, 2>;

#define FAULTLINE_TEST_INNER(FIELD)         \
  FIELD(Count, size, "bytes", "how much")   \
  FIELD(std::string, what, "", "in a word") \
  FIELD(Maybe<Count>, extra, "", "seldom")
FAULTLINE_RECORD(Inner, FAULTLINE_TEST_INNER)

// One field of every kind.
#define FAULTLINE_TEST_ALL(FIELD)                                   \
  FIELD(Count, count, "count", "a count")                           \
  FIELD(std::int64_t, whole, "", "an integer")                      \
  FIELD(bool, flag, "", "a flag")                                   \
  FIELD(double, number, "ns", "a number")                           \
  FIELD(Signed, either, "%", "of any sign")                         \
  FIELD(Cost, cost, "unit", "a cost")                               \
  FIELD(std::string, text, "", "text")                              \
  FIELD(Word, word, "", "an id")                                    \
  FIELD(Line, line, "", "a line")                                   \
  FIELD(State, state, "", "of a table")                             \
  FIELD(Probes, probes, "", "of another")                           \
  FIELD(Choice<kColours>, colour, "", "of an array")                \
  FIELD(WritesPerSync, k, "pages", "K")                             \
  FIELD(std::optional<Count>, perhaps, "", "or null")               \
  FIELD(std::optional<State>, perhaps_state, "", "or null")         \
  FIELD(std::optional<Inner>, perhaps_inner, "", "or null")         \
  FIELD(Maybe<Count>, seldom, "", "or absent")                      \
  FIELD(Maybe<std::optional<double>>, seldom_null, "", "or absent") \
  FIELD(std::vector<Count>, list, "", "a list")                     \
  FIELD(Two, pair, "", "two")                                       \
  FIELD(Counts, by_name, "", "a map")                               \
  FIELD(Inner, inner, "", "a record")                               \
  FIELD(std::vector<Inner>, inners, "", "records")
FAULTLINE_RECORD(All, FAULTLINE_TEST_ALL)

constexpr char kFull[] = R"({
 "count": 9223372036854775807, "whole": -3, "flag": true, "number": 2.5, "either": -1.5, "cost": 7,
 "text": "", "word": "ext4-fc", "line": "a line", "state": "unwritten", "probes": "locks",
 "colour": "green", "k": "all", "perhaps": 4, "perhaps_state": "hole",
 "perhaps_inner": {"size": 1, "what": "x"}, "seldom": 5, "seldom_null": 0.5, "list": [3, 1],
 "pair": [1, 2], "by_name": {"a": 1, "b": 0}, "inner": {"size": 2, "what": "y", "extra": 3},
 "inners": [{"size": 3, "what": "z"}, {"size": 4, "what": ""}]})";

// Of a record without values.
constexpr char kEmpty[] = R"({
 "count": 0, "whole": 0, "flag": false, "number": 0.0, "either": 0.0, "cost": 0.0, "text": "",
 "word": "", "line": "", "state": "hole", "probes": "off", "colour": "red", "k": null,
 "perhaps": null, "perhaps_state": null, "perhaps_inner": null, "list": [], "pair": [0, 0],
 "by_name": {}, "inner": {"size": 0, "what": ""}, "inners": []})";

All read_all(const json& given) {
  All all;
  record::read_record(given, all, "");
  return all;
}

TEST(Record, IsWritten) {
  // As text, since 7 and 7.0 are equal JSON.
  EXPECT_EQ(json_of(All{}).dump(), json::parse(kEmpty).dump());
  All all;
  all.count = 9'223'372'036'854'775'807U;
  all.whole = -3;
  all.flag = true;
  all.number = 2.5;
  all.either = -1.5;
  all.cost = Cost(std::uint64_t{7});
  all.word = Word("ext4-fc");
  all.line = Line("a line");
  all.state = State::kUnwritten;
  all.probes = Probes::k_locks;
  all.colour = kColours[1];
  all.k.k = kEveryAll;
  all.perhaps = 4;
  all.perhaps_state = State::kHole;
  all.perhaps_inner = Inner{.size = 1, .what = "x"};
  all.seldom.emplace(5);
  all.seldom_null.emplace(0.5);
  all.list = {3, 1};
  all.pair = {1, 2};
  all.by_name = {{"b", 0}, {"a", 1}};
  all.inner.size = 2;
  all.inner.what = "y";
  all.inner.extra.emplace(3);
  all.inners = {Inner{.size = 3, .what = "z"}, Inner{.size = 4}};
  EXPECT_EQ(json_of(all).dump(), json::parse(kFull).dump());
}

TEST(Record, IsReadAsItWasWritten) {
  for (const char* text : {kFull, kEmpty}) {
    const json given = json::parse(text);
    EXPECT_EQ(json_of(read_all(given)).dump(), given.dump());
  }
  const All all = read_all(json::parse(kFull));
  EXPECT_EQ(all.count, 9'223'372'036'854'775'807U);
  EXPECT_EQ(all.state, State::kUnwritten);
  EXPECT_EQ(all.k.k, kEveryAll);
  EXPECT_EQ(all.perhaps, 4U);
  EXPECT_EQ(all.by_name.at("a"), 1U);
  EXPECT_EQ(all.inners.at(1).size, 4U);
}

TEST(Record, ACostThatWasWholeStaysWhole) {
  const auto again = [](const char* text) {
    json given = json::parse(kEmpty);
    given["cost"] = json::parse(text);
    return json_of(read_all(given))["cost"].dump();
  };
  EXPECT_EQ(again("139828"), "139828");
  EXPECT_EQ(again("139828.0"), "139828.0");
  EXPECT_EQ(again("0"), "0");
  EXPECT_EQ(again("0.25"), "0.25");
  EXPECT_EQ(json_of(Cost(std::uint64_t{12})).dump(), "12");
  EXPECT_EQ(json_of(Cost(12.0)).dump(), "12.0");
}

TEST(Record, WhatMayBeAbsentIsNotNull) {
  json given = json::parse(kEmpty);
  EXPECT_FALSE(read_all(given).seldom);
  EXPECT_FALSE(read_all(given).seldom_null);
  // There, and null: not the same as absent.
  given["seldom_null"] = nullptr;
  EXPECT_TRUE(read_all(given).seldom_null);
  EXPECT_EQ(json_of(read_all(given)).dump(), given.dump());
}

TEST(Record, WritesPerSyncIsANumberAllOrNull) {
  const auto read = [](const char* text) {
    json given = json::parse(kEmpty);
    given["k"] = json::parse(text);
    return read_all(given).k.k;
  };
  EXPECT_EQ(read("1"), 1U);
  EXPECT_EQ(read("512"), 512U);
  EXPECT_EQ(read("\"all\""), kEveryAll);
  EXPECT_EQ(read("null"), kNoK);
}

std::string refusal_of(const json& given) {
  return message_of(ExitCode::kVmFailed, [&] { read_all(given); });
}

TEST(Record, NamesTheFieldThatIsMissing) {
  const json given = json::parse(kEmpty);
  for (const auto& [field, value] : given.items()) {
    json less = given;
    less.erase(field);
    EXPECT_EQ(refusal_of(less), "a row's " + field + " is missing");
  }
  json less = json::parse(kFull);
  less["inner"].erase("size");
  EXPECT_EQ(refusal_of(less), "a row's inner.size is missing");
  less = json::parse(kFull);
  less["inners"][1].erase("what");
  EXPECT_EQ(refusal_of(less), "a row's inners[].what is missing");
}

TEST(Record, NamesTheFieldThatIsUnknown) {
  json more = json::parse(kFull);
  more["extra"] = 1;
  EXPECT_EQ(refusal_of(more), "a row has no extra");
  more = json::parse(kFull);
  more["perhaps_inner"]["colour"] = nullptr;
  EXPECT_EQ(refusal_of(more), "a row has no perhaps_inner.colour");
}

TEST(Record, NamesTheFieldThatIsWrong) {
  struct Row {
    const char* place;
    const char* value;
    const char* said;
  };
  for (const Row& row : {
           Row{"/count", "-1", "a row's count is -1 where it takes a count"},
           Row{"/count", "1.5", "a row's count is 1.5 where it takes a count"},
           Row{"/count", "1.0", "a row's count is 1.0 where it takes a count"},
           Row{"/count", "\"1\"", "a row's count is \"1\" where it takes a count"},
           Row{"/count", "true", "a row's count is true where it takes a count"},
           Row{"/count", "null", "a row's count is null where it takes a count"},
           Row{"/count", "9223372036854775808",
               "a row's count is 9223372036854775808 where it takes a count"},
           Row{"/whole", "0.5", "a row's whole is 0.5 where it takes an integer"},
           Row{"/flag", "1", "a row's flag is 1 where it takes true or false"},
           Row{"/number", "\"2\"", "a row's number is \"2\" where it takes a number from 0 on"},
           Row{"/number", "-0.5", "a row's number is -0.5 where it takes a number from 0 on"},
           Row{"/number", "null", "a row's number is null where it takes a number from 0 on"},
           Row{"/either", "null", "a row's either is null where it takes a number"},
           Row{"/cost", "\"7\"", "a row's cost is \"7\" where it takes a number from 0 on"},
           Row{"/cost", "-7", "a row's cost is -7 where it takes a number from 0 on"},
           Row{"/cost", "-0.5", "a row's cost is -0.5 where it takes a number from 0 on"},
           Row{"/text", "3", "a row's text is 3 where it takes text"},
           Row{"/word", "null", "a row's word is null where it takes text"},
           Row{"/line", "[]", "a row's line is [] where it takes text"},
           Row{"/state", "\"holes\"",
               "a row's state is \"holes\" where it takes one of hole, unwritten, written, shared"},
           Row{"/state", "0",
               "a row's state is 0 where it takes one of hole, unwritten, written, shared"},
           Row{"/probes", "\"maybe\"",
               "a row's probes is \"maybe\" where it takes one of off, on, phases, locks, "
               "interruptions, ballast, bpf_cost:empty, bpf_cost:array, bpf_cost:hash, "
               "bpf_cost:inode_storage, bpf_cost:chain1, bpf_cost:chain2, bpf_cost:chain3, "
               "bpf_cost:chain4, bpf_cost:chain5, bpf_cost:chain6, bpf_cost:chain7, "
               "bpf_cost:chain8, bpf_cost:ringbuf"},
           Row{"/colour", "\"blue\"", "a row's colour is \"blue\" where it takes one of the ids"},
           Row{"/k", "0", "a row's k is 0 where it takes a number from 1 on, \"all\" or null"},
           Row{"/k", "-1", "a row's k is -1 where it takes a number from 1 on, \"all\" or null"},
           Row{"/k", "2.5", "a row's k is 2.5 where it takes a number from 1 on, \"all\" or null"},
           Row{"/k", "\"some\"",
               "a row's k is \"some\" where it takes a number from 1 on, \"all\" or null"},
           Row{"/perhaps", "\"4\"", "a row's perhaps is \"4\" where it takes a count"},
           Row{"/perhaps_state", "\"\"",
               "a row's perhaps_state is \"\" where it takes one of hole, unwritten, written, "
               "shared"},
           Row{"/perhaps_inner", "[]", "a row's perhaps_inner is [] where it takes an object"},
           Row{"/seldom", "null", "a row's seldom is null where it takes a count"},
           Row{"/seldom", "-1", "a row's seldom is -1 where it takes a count"},
           Row{"/list", "3", "a row's list is 3 where it takes an array"},
           Row{"/list/1", "-3", "a row's list[] is -3 where it takes a count"},
           Row{"/pair", "[1]", "a row's pair is [1] where it takes an array of 2"},
           Row{"/pair", "[1,2,3]", "a row's pair is [1,2,3] where it takes an array of 2"},
           Row{"/pair/0", "\"1\"", "a row's pair[] is \"1\" where it takes a count"},
           Row{"/by_name", "[]", "a row's by_name is [] where it takes an object"},
           Row{"/by_name/a", "-1", "a row's by_name.a is -1 where it takes a count"},
           Row{"/inner", "null", "a row's inner is null where it takes an object"},
           Row{"/inner/size", "\"1\"", "a row's inner.size is \"1\" where it takes a count"},
           Row{"/inners/0/what", "1", "a row's inners[].what is 1 where it takes text"},
       }) {
    json given = json::parse(kFull);
    given[json::json_pointer(row.place)] = json::parse(row.value);
    EXPECT_EQ(refusal_of(given), row.said);
  }
  EXPECT_EQ(refusal_of(json::array()), "a row is [] where it takes an object");
  // No more of it than fits a line.
  json given = json::parse(kFull);
  given["count"] = std::string(1000, 'x');
  EXPECT_EQ(refusal_of(given),
            "a row's count is \"" + std::string(39, 'x') + " where it takes a count");
}

TEST(Record, OfAnEarlierBuildMayHaveFewerFieldsAndOthers) {
  json given = json::parse(kFull);
  given.erase("count");
  given.erase("state");
  given["gone"] = 1;
  All all;
  all.count = 3;
  record::read_record(given, all, "", record::Missing::kTake);
  EXPECT_EQ(all.count, 3U);
  EXPECT_EQ(all.state, State::kHole);
  EXPECT_EQ(all.whole, -3);
  given["whole"] = "x";
  EXPECT_EQ(message_of(ExitCode::kVmFailed,
                       [&] { record::read_record(given, all, "", record::Missing::kTake); }),
            "a row's whole is \"x\" where it takes an integer");
}

TEST(Schema, OfEachKind) {
  const json schema = record::schema<All>();
  EXPECT_EQ(schema["type"], "object");
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_EQ(schema["required"],
            json::parse(R"(["count", "whole", "flag", "number", "either", "cost", "text", "word",
                "line", "state", "probes", "colour", "k", "perhaps", "perhaps_state",
                "perhaps_inner", "list", "pair", "by_name", "inner", "inners"])"));
  const json expected = json::parse(R"json({
    "count": {"type": "integer", "minimum": 0, "maximum": 9223372036854775807,
              "description": "a count (count)"
}
, "whole" : {"type" : "integer", "description" : "an integer"},
            "flag" : {"type" : "boolean", "description" : "a flag"},
                     "number"
    : {"type" : "number", "minimum" : 0, "maximum" : 1e100, "description" : "a number (ns)"},
      "either"
    : {"type" : "number", "minimum" : -1e100, "maximum" : 1e100, "description" : "of any sign (%)"},
      "cost"
    : {"type" : "number", "minimum" : 0, "maximum" : 1e100, "description" : "a cost (unit)"},
      "text" : {"type" : "string", "description" : "text"},
               "word"
    : {"type" : "string", "pattern" : "^[a-z0-9][a-z0-9_.+-]*$", "description" : "an id"},
      "line" : {"type" : "string", "minLength" : 1, "description" : "a line"},
               "state"
    : {"enum" : [ "hole", "unwritten", "written", "shared" ], "description" : "of a table"},
      "probes" : {
        "enum" : [ "off", "on", "phases", "locks", "interruptions", "ballast", "bpf_cost:empty", "bpf_cost:array", "bpf_cost:hash",
          "bpf_cost:inode_storage", "bpf_cost:chain1", "bpf_cost:chain2", "bpf_cost:chain3", "bpf_cost:chain4",
          "bpf_cost:chain5", "bpf_cost:chain6", "bpf_cost:chain7", "bpf_cost:chain8", "bpf_cost:ringbuf" ],
        "description" : "of another"
      },
                 "colour" : {"enum" : [ "red", "green" ], "description" : "of an array"},
                            "k" : {
                              "type" : [ "integer", "string", "null" ],
                              "minimum" : 1,
                              "pattern" : "^all$",
                              "description" : "K (pages)"
                            },
                                  "perhaps" : {
                                    "type" : [ "integer", "null" ],
                                    "minimum" : 0,
                                    "maximum" : 9223372036854775807,
                                    "description" : "or null"
                                  },
                                              "perhaps_state"
    : {"enum" : [ "hole", "unwritten", "written", "shared", null ], "description" : "or null"},
      "perhaps_inner" : {
        "type" : [ "object", "null" ],
        "additionalProperties" : false,
        "required" : [ "size", "what" ],
        "description" : "or null",
        "properties" : {
          "size" : {
            "type" : "integer",
            "minimum" : 0,
            "maximum" : 9223372036854775807,
            "description" : "how much (bytes)"
          },
          "what" : {"type" : "string", "description" : "in a word"},
          "extra" : {
            "type" : "integer",
            "minimum" : 0,
            "maximum" : 9223372036854775807,
            "description" : "seldom"
          }
        }
      },
                        "seldom" : {
                          "type" : "integer",
                          "minimum" : 0,
                          "maximum" : 9223372036854775807,
                          "description" : "or absent"
                        },
                                   "seldom_null" : {
                                     "type" : [ "number", "null" ],
                                     "minimum" : 0,
                                     "maximum" : 1e100,
                                     "description" : "or absent"
                                   },
                                                   "list"
    : {
      "type" : "array",
      "description" : "a list",
      "items" : {"type" : "integer", "minimum" : 0, "maximum" : 9223372036854775807}
    },
      "pair" : {
        "type" : "array",
        "minItems" : 2,
        "maxItems" : 2,
        "description" : "two",
        "items" : {"type" : "integer", "minimum" : 0, "maximum" : 9223372036854775807}
      },
               "by_name" : {
  "type" : "object", "description" : "a map", "additionalProperties" : {
    "type" : "integer", "minimum" : 0, "maximum" : 9223372036854775807
  }
}
})json");
  for (const auto& [field, value] : expected.items()) {
    EXPECT_EQ(schema["properties"][field], value) << field;
  }
  json inner = expected["perhaps_inner"];
  inner["type"] = "object";
  inner["description"] = "a record";
  EXPECT_EQ(schema["properties"]["inner"], inner);
  inner.erase("description");
  EXPECT_EQ(schema["properties"]["inners"],
            (json{{"type", "array"}, {"items", inner}, {"description", "records"}}));
  EXPECT_EQ(schema["properties"].size(), 23U);
}

using NamedCount = std::pair<std::string, Count>;
#define FAULTLINE_OF_PAIRS(FIELD) \
  FIELD(std::vector<NamedCount>, named, "count", "by name, in order")
FAULTLINE_RECORD(OfPairs, FAULTLINE_OF_PAIRS)

TEST(Record, APairIsAnArrayOfTwo) {
  OfPairs record;
  record.named = {{"b", 2}, {"a", 1}};
  const json written = json_of(record);
  EXPECT_EQ(written, json::parse(R"({"named": [["b", 2], ["a", 1]]})"));
  OfPairs again;
  record::read_record(written, again, "");
  EXPECT_EQ(again.named, record.named);
  for (const char* wrong : {R"({"named": [["b"]]})", R"({"named": [[2, "b"]]})",
                            R"({"named": [["b", 2, 3]]})", R"({"named": ["b"]})"}) {
    EXPECT_THROW(record::read_record(json::parse(wrong), again, ""), Failure) << wrong;
  }
  const json items = record::schema_of_record<OfPairs>()["properties"]["named"]["items"];
  EXPECT_EQ(items["minItems"], 2);
  EXPECT_EQ(items["maxItems"], 2);
  ASSERT_EQ(items["items"].size(), 2U);
  EXPECT_EQ(items["items"][0]["type"], "string");
  EXPECT_EQ(items["items"][1]["type"], "integer");
}

}  // namespace
}  // namespace faultline

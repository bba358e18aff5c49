// SPDX-License-Identifier: GPL-2.0-only
// faultline export: what is written is read back by a reader of its own and checked. No VM.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <map>
#include <protozero/pbf_reader.hpp>

#include "campaign/testing.h"
#include "cell/failure.h"
#include "cell/testing.h"
#include "trace/samples.h"

namespace faultline {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

// --- A reader of Perfetto's format that holds it to its rules. Its numbers are those of
// protos/perfetto/trace/ in Perfetto's sources, written down anew. ---

struct Slice {
  std::string track;
  std::string name;
  uint64_t start = 0;
  uint64_t end = 0;
  size_t depth = 0;
  std::map<std::string, std::string> arguments;
  std::vector<uint64_t> flows;
};

class PerfettoTrace {
 public:
  explicit PerfettoTrace(const std::string& bytes) {
    protozero::pbf_reader trace(bytes);
    while (trace.next()) {
      EXPECT_EQ(trace.tag(), 1U);
      read_packet(trace.get_message());
    }
    for (const auto& [uuid, open] : open_) EXPECT_TRUE(open.empty()) << names_[uuid];
    std::map<uint64_t, size_t> ends;
    for (const Slice& slice : slices) {
      for (const uint64_t flow : slice.flows) ++ends[flow];
    }
    for (const auto& [flow, count] : ends) EXPECT_EQ(count, 2U) << "flow " << flow;
  }

  [[nodiscard]] const Slice& find(const std::string& name, uint64_t start) const {
    for (const Slice& slice : slices) {
      if (slice.name == name && slice.start == start) return slice;
    }
    ADD_FAILURE() << "no slice " << name << " at " << start;
    static const Slice none;
    return none;
  }
  // "journal: commit 100-200" and so on, in the order of the file.
  [[nodiscard]] std::vector<std::string> text() const {
    std::vector<std::string> lines;
    for (const Slice& slice : slices) {
      lines.push_back(slice.track + ": " + std::string(slice.depth, '>') + slice.name + ' ' +
                      std::to_string(slice.start) + '-' + std::to_string(slice.end));
    }
    return lines;
  }

  std::vector<Slice> slices;
  std::map<std::string, std::string> parents;  // of tracks, by name
  std::map<std::string, std::string> attributes;

 private:
  void read_packet(protozero::pbf_reader packet) {
    uint64_t time = 0;
    uint32_t sequence = 0;
    protozero::data_view event;
    while (packet.next()) {
      switch (packet.tag()) {
        case 8:
          time = packet.get_uint64();
          break;
        case 10:
          sequence = packet.get_uint32();
          break;
        case 11:
          event = packet.get_view();
          break;
        case 12:
          read_names(packet.get_message());
          break;
        case 13:
          read_flags(packet.get_uint32());
          break;
        case 60:
          read_track(packet.get_message());
          break;
        case 126:
          read_attributes(packet.get_message());
          break;
        default:
          ADD_FAILURE() << "packet field " << packet.tag();
          packet.skip();
      }
    }
    EXPECT_EQ(sequence, 1U);
    if (!event.empty()) read_event(protozero::pbf_reader(event), time);
  }
  // Interned data needs a sequence whose state was cleared at its beginning.
  void read_flags(uint32_t flags) {
    if (flags == 1) cleared_ = true;
    EXPECT_TRUE(cleared_);
    EXPECT_TRUE(flags == 1 || flags == 2);
  }
  void read_names(protozero::pbf_reader data) {
    while (data.next()) {
      const uint32_t table = data.tag();
      protozero::pbf_reader entry = data.get_message();
      uint64_t iid = 0;
      std::string name;
      while (entry.next()) {
        if (entry.tag() == 1)
          iid = entry.get_uint64();
        else
          name = entry.get_string();
      }
      EXPECT_NE(iid, 0U);
      EXPECT_TRUE(interned_.emplace(std::pair(table, iid), name).second) << name << " twice";
    }
  }
  const std::string& interned(uint32_t table, uint64_t iid) {
    EXPECT_TRUE(interned_.contains({table, iid})) << table << ' ' << iid;
    return interned_[{table, iid}];
  }
  void read_track(protozero::pbf_reader track) {
    uint64_t uuid = 0;
    uint64_t parent = 0;
    std::string name;
    while (track.next()) {
      switch (track.tag()) {
        case 1:
          uuid = track.get_uint64();
          break;
        case 2:
          name = track.get_string();
          break;
        case 5:
          parent = track.get_uint64();
          break;
        default:
          ADD_FAILURE() << "track field " << track.tag();
          track.skip();
      }
    }
    EXPECT_NE(uuid, 0U);
    EXPECT_TRUE(names_.emplace(uuid, name).second) << "track " << uuid << " twice";
    EXPECT_TRUE(parent == 0 || names_.contains(parent));
    parents[name] = parent == 0 ? "" : names_[parent];
  }
  void read_attributes(protozero::pbf_reader all) {
    while (all.next(1)) {
      protozero::pbf_reader one = all.get_message();
      std::string key;
      while (one.next()) {
        if (one.tag() == 1)
          key = one.get_string();
        else
          attributes[key] = one.get_string();
      }
    }
  }
  void read_event(protozero::pbf_reader event, uint64_t time) {
    uint64_t uuid = 0;
    int type = 0;
    Slice slice;
    while (event.next()) {
      switch (event.tag()) {
        case 4:
          read_argument(event.get_message(), slice);
          break;
        case 9:
          type = event.get_enum();
          break;
        case 10:
          slice.name = interned(2, event.get_uint64());
          break;
        case 11:
          uuid = event.get_uint64();
          break;
        case 47:
          slice.flows.push_back(event.get_fixed64());
          break;
        default:
          ADD_FAILURE() << "event field " << event.tag();
          event.skip();
      }
    }
    EXPECT_TRUE(names_.contains(uuid)) << "no track " << uuid;
    EXPECT_GE(time, last_[uuid]) << names_[uuid];
    last_[uuid] = time;
    std::vector<size_t>& open = open_[uuid];
    if (type == 1) {
      slice.track = names_[uuid];
      slice.start = time;
      slice.depth = open.size();
      open.push_back(slices.size());
      slices.push_back(slice);
    } else {
      EXPECT_EQ(type, 2);
      ASSERT_FALSE(open.empty()) << "an end without a begin on " << names_[uuid];
      slices[open.back()].end = time;
      open.pop_back();
    }
  }
  void read_argument(protozero::pbf_reader argument, Slice& slice) {
    std::string key;
    std::string value;
    while (argument.next()) {
      switch (argument.tag()) {
        case 1:
          key = interned(3, argument.get_uint64());
          break;
        case 3:
          value = std::to_string(argument.get_uint64());
          break;
        case 7:
          value = "at " + std::to_string(argument.get_uint64());
          break;
        case 17:
          value = interned(29, argument.get_uint64());
          break;
        default:
          ADD_FAILURE() << "argument field " << argument.tag();
          argument.skip();
      }
    }
    EXPECT_FALSE(key.empty());
    slice.arguments[key] = value;
  }

  bool cleared_ = false;
  std::map<std::pair<uint32_t, uint64_t>, std::string> interned_;
  std::map<uint64_t, std::string> names_;
  std::map<uint64_t, uint64_t> last_;
  std::map<uint64_t, std::vector<size_t>> open_;  // indices into slices
};

// --- Results ---

std::string result_of(const std::string& rows) {
  return R"({"benchmarks": [)" + rows +
         R"(], "context": {"schema_version": 1, "unit": "instr", "date": "2026-01-01",
           "command_line": ["faultline", "run"], "kernels": {"bookworm": {"release": "6.1.0"}}}})";
}

// Two faults, of which the second syncs and waits for transaction 7, done by thread 70.
constexpr const char* kCell = R"({"name": "k/ext4/on", "samples": [
    [0, 85, 1000, 500, 4096, 256, 0, 0],
    [0, 85, 1500, 900, 8192, 8448, 9, 0],
    [1, 85, 1600, 700, 8192, 0, 0, 7],
    [2, 70, 1650, 600, 0, 85, 3, 7]
  ], "sample_kinds": ["fault", "sync", "commit"], "unit": "instr"})";

// Writes a result whose rows hold their samples as lists, one of eight numbers each, as faultline
// does: the records into the side file, and where they are into the row.
void write_result_file(const std::string& folder, const std::string& text) {
  nlohmann::json result = nlohmann::json::parse(text, nullptr, false);
  fs::remove(folder + kSamplesName);
  if (!result.is_object() || !result.contains("benchmarks") || !result["benchmarks"].is_array()) {
    write_file(folder + "result.json", text);
    return;
  }
  std::string records;
  for (nlohmann::json& row : result["benchmarks"]) {
    if (!row.contains("samples") || !row["samples"].is_array()) continue;
    const size_t first = records.size() / sizeof(Sample);
    for (const nlohmann::json& s : row["samples"]) {
      const Sample sample{s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]};
      records.append(reinterpret_cast<const char*>(&sample), sizeof sample);
    }
    row["samples"] = {{"file", kSamplesName}, {"first", first}, {"count", row["samples"].size()}};
  }
  if (!records.empty()) write_file(folder + kSamplesName, records);
  write_file(folder + "result.json", result.dump());
}

class Export : public testing::Test {
 protected:
  // The bytes that the command writes for this result.
  std::string exported(const std::string& format, const std::string& result,
                       const std::vector<std::string>& more = {}) {
    output_ = run(format, result, more);
    EXPECT_EQ(output_.status, 0) << output_.error;
    return fs::exists(scratch_ / "trace") ? read_file(scratch_ / "trace") : "";
  }
  void refused(const std::string& result, const std::string& words,
               const std::string& format = "perfetto", const std::vector<std::string>& more = {}) {
    const CommandOutput output = run(format, result, more);
    EXPECT_EQ(output.status, 2) << output.error;
    EXPECT_THAT(output.error, HasSubstr(words));
    EXPECT_EQ(std::count(output.error.begin(), output.error.end(), '\n'), 1) << output.error;
    for (const auto& entry : fs::directory_iterator(scratch_ / "")) {
      const std::string name = entry.path().filename();
      EXPECT_TRUE(name == "result.json" || name == kSamplesName) << name << " is left over";
    }
  }
  CommandOutput run(const std::string& format, const std::string& result,
                    const std::vector<std::string>& more) {
    fs::remove(scratch_ / "trace");
    write_result_file(scratch_ / "", result);
    return run_again(format, more);
  }
  // Over the files that are there.
  CommandOutput run_again(const std::string& format, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"export",      "--to",  format,
                                          scratch_ / "", "--out", scratch_ / "trace"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return faultline_command(arguments);
  }
  Scratch scratch_;
  CommandOutput output_;
};

TEST_F(Export, PerfettoShowsFaultSyncCommitAndWhoWaited) {
  const PerfettoTrace trace(exported("perfetto", result_of(kCell)));
  EXPECT_THAT(trace.text(), ElementsAre("thread 85: fault 1000-1500", "thread 85: fault 1500-2400",
                                        "thread 85: >sync 1600-2300", "journal: commit 1650-2250"));
  const std::string cell = "k/ext4/on (1 ns is 1 instr)";
  EXPECT_EQ(trace.parents.at(cell), "");
  EXPECT_EQ(trace.parents.at("thread 85"), cell);
  EXPECT_EQ(trace.parents.at("journal"), cell);
  using Arguments = std::map<std::string, std::string>;
  EXPECT_EQ(trace.find("fault", 1000).arguments,
            (Arguments{{"address", "at 4096"}, {"result", "NOPAGE"}, {"order", "pte"}}));
  EXPECT_EQ(trace.find("fault", 1500).arguments,
            (Arguments{{"address", "at 8192"}, {"result", "NOPAGE|NEEDDSYNC"}, {"order", "pmd"}}));
  EXPECT_EQ(trace.find("sync", 1600).arguments,
            (Arguments{{"address", "at 8192"}, {"waits_for_transaction", "7"}}));
  EXPECT_EQ(trace.find("commit", 1650).arguments, (Arguments{{"transaction", "7"},
                                                             {"asked_by_thread", "85"},
                                                             {"served_faults", "3"},
                                                             {"thread", "70"}}));
  EXPECT_EQ(trace.find("sync", 1600).flows, trace.find("commit", 1650).flows);
  EXPECT_EQ(trace.find("sync", 1600).flows.size(), 1U);
  EXPECT_TRUE(trace.find("fault", 1000).flows.empty());
  EXPECT_EQ(trace.attributes.at("faultline.unit"), "instr");
  EXPECT_EQ(trace.attributes.at("faultline.display"), "1 ns shown is 1 instr");
  EXPECT_EQ(trace.attributes.at("faultline.kernels.bookworm.release"), "6.1.0");
  EXPECT_EQ(trace.attributes.at("faultline.command_line"), "faultline run");
}

TEST_F(Export, PhasesLieInTheirFaultAndLocksBeside) {
  const PerfettoTrace trace(exported("perfetto", result_of(R"({"name": "p/on", "unit": "instr",
      "sample_kinds": ["fault", "lock_hold", "phase.entry", "phase.map"], "samples": [
        [2, 85, 100, 30, 0, 0, 0, 0], [0, 85, 100, 100, 4096, 256, 0, 0],
        [1, 85, 120, 200, 0, 0, 0, 0], [3, 85, 130, 70, 0, 0, 0, 0]]})")));
  EXPECT_THAT(trace.text(),
              ElementsAre("thread 85: fault 100-200", "thread 85: >phase.entry 100-130",
                          "thread 85 locks: lock_hold 120-320", "thread 85: >phase.map 130-200"));
  // The lock number 0 is one of the locks.
  EXPECT_EQ(trace.find("lock_hold", 120).arguments,
            (std::map<std::string, std::string>{{"lock", "0"}}));
}

TEST_F(Export, CsvIsOneLinePerSample) {
  EXPECT_EQ(exported("csv", result_of(kCell)),
            "cell,seed,repetition,unit,kind,tid,start,duration,address,result,result_names,order,"
            "link\n"
            "k/ext4/on,0,0,instr,fault,85,1000,500,0x1000,256,NOPAGE,0,0\n"
            "k/ext4/on,0,0,instr,fault,85,1500,900,0x2000,8448,NOPAGE|NEEDDSYNC,9,0\n"
            "k/ext4/on,0,0,instr,sync,85,1600,700,0x2000,0,,0,7\n"
            "k/ext4/on,0,0,instr,commit,70,1650,600,0x0,85,,3,7\n");
}

// Seeds are guests of their own, with one name, and threads and times alike.
TEST_F(Export, SeedsAreLivesOfTheirOwn) {
  const std::string second =
      R"({"name": "k/ext4/on", "seed": 3, "repetition_index": 0, "unit": "instr",
      "sample_kinds": ["fault"], "samples": [[0, 85, 1000, 400, 4096, 256, 0, 0]]})";
  const std::string both = result_of(std::string(kCell) + "," + second);
  const std::string csv = exported("csv", both);
  EXPECT_THAT(csv, HasSubstr("k/ext4/on,0,0,instr,fault,85,1000,500,"));
  EXPECT_THAT(csv, HasSubstr("k/ext4/on,3,0,instr,fault,85,1000,400,"));
  EXPECT_THAT(output_.error, HasSubstr("5 samples of 2 seeds of 1 cell, 1 waits"));
  const std::string text = exported("perf-script", both);
  EXPECT_THAT(text, HasSubstr("thread-85 85 0.000001000:        500 instr"));
  EXPECT_THAT(text, HasSubstr("thread-85_seed_3 85 0.000001000:        400 instr"));
  EXPECT_THAT(text, HasSubstr("k/ext4/on_seed_3 ([cell])"));
  const PerfettoTrace trace(exported("perfetto", both));
  EXPECT_EQ(trace.slices.size(), 5U);
  EXPECT_EQ(trace.parents.count("k/ext4/on seed 3 (1 ns is 1 instr)"), 1U);
  // One alone.
  const std::string one = exported("csv", both, {"--seed", "3"});
  EXPECT_EQ(std::count(one.begin(), one.end(), '\n'), 2);
  EXPECT_THAT(output_.error, HasSubstr("1 samples of 1 cell, 0 waits"));
  refused(both, "no cell with samples has seed 7", "csv", {"--seed", "7"});
}

TEST_F(Export, PerfScriptPeriodsAreOwnTime) {
  EXPECT_EQ(exported("perf-script", result_of(kCell)),
            "# faultline export: the event is the unit, the period a sample's own time\n"
            "thread-85 85 0.000001000:        500 instr: \n"
            "\t            1000 fault (pte,NOPAGE)\n"
            "\t               0 k/ext4/on ([cell])\n\n"
            "thread-85 85 0.000001500:        200 instr: \n"
            "\t            2000 fault (pmd,NOPAGE|NEEDDSYNC)\n"
            "\t               0 k/ext4/on ([cell])\n\n"
            "thread-85 85 0.000001600:        700 instr: \n"
            "\t            2000 sync (waits_for_transaction=7)\n"
            "\t            2000 fault (pmd,NOPAGE|NEEDDSYNC)\n"
            "\t               0 k/ext4/on ([cell])\n\n"
            "journal 70 0.000001650:        600 instr: \n"
            "\t               0 commit (served_faults=3,asked_by_thread=85,transaction=7)\n"
            "\t               0 k/ext4/on ([cell])\n\n");
}

constexpr const char* kOldCell = R"({"name": "old/on", "unit": "ns",
    "sample_kinds": ["fault", "sync", "commit", "fast_commit"], "samples": [
    [0, 9, 10, 90, 4096, 0, 0, 0], [1, 9, 20, 70, 0, 0, 0, 0], [3, 9, 30, 5, 0, 0, 0, 0],
    [2, 4, 25, 60, 0, 0, 0, 0]]})";

TEST_F(Export, WithoutLinksTheThreadsOwnFastCommitIsWhatItWaitedFor) {
  const PerfettoTrace trace(exported("perfetto", result_of(kOldCell)));
  EXPECT_THAT(trace.text(), ElementsAre("thread 9: fault 10-100", "thread 9: >sync 20-90",
                                        "journal: commit 25-85", "journal: >fast_commit 30-35"));
  // The thread did the fast commit itself.
  EXPECT_EQ(trace.find("sync", 20).flows, trace.find("fast_commit", 30).flows);
  EXPECT_EQ(trace.find("sync", 20).flows.size(), 1U);
  EXPECT_TRUE(trace.find("commit", 25).flows.empty());
  // Wall time needs no remark on the unit.
  EXPECT_EQ(trace.parents.at("old/on"), "");
}

TEST_F(Export, TheFirstKindsAreTheProbes) {
  const nlohmann::json tables =
      nlohmann::json::parse(faultline_command({"list", "--json"}).out, nullptr, false);
  ASSERT_EQ(tables["probe"].size(), 4U);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(tables["probe"][i]["id"], known_kinds()[i].name);
}

TEST_F(Export, CellsAreChosenByName) {
  const std::string both = result_of(std::string(kCell) + "," + kOldCell);
  const std::string csv = exported("csv", both, {"--cell", "nothing,*/ext4/*"});
  EXPECT_THAT(csv, HasSubstr("k/ext4/on,"));
  EXPECT_EQ(csv.find("old/on"), std::string::npos);
  refused(both, "no cell with samples matches 'xfs*'; there is: k/ext4/on, old/on", "csv",
          {"--cell", "xfs*"});
  refused(both, "names nothing", "csv", {"--cell", ","});
}

TEST_F(Export, TwoCellsWithTheSameThreadsShareNoTrack) {
  std::string second = kCell;
  second.replace(second.find("k/ext4"), 6, "k/xfs!");
  const PerfettoTrace trace(exported("perfetto", result_of(std::string(kCell) + "," + second)));
  EXPECT_EQ(trace.slices.size(), 8U);
}

TEST_F(Export, SummaryAsJson) {
  exported("perfetto", result_of(kCell), {"--json"});
  const nlohmann::json summary = nlohmann::json::parse(output_.out, nullptr, false);
  EXPECT_EQ(summary["format"], "perfetto");
  EXPECT_EQ(summary["samples"], 4);
  EXPECT_EQ(summary["waits"], 1);
  EXPECT_EQ(summary["bytes"], fs::file_size(scratch_ / "trace"));
  EXPECT_EQ(summary["cells"][0]["kinds"],
            nlohmann::json({{"fault", 2}, {"sync", 1}, {"commit", 1}}));
  EXPECT_EQ(summary["cells"][0]["tracks"], nlohmann::json({"thread 85", "journal"}));
}

TEST_F(Export, HostileNamesStayInTheirFields) {
  const std::string row = R"({"name": "a,\"b\n(c); d", "unit": "ns",
      "sample_kinds": ["fa ult", "x,y"], "samples": [[0, 1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0, 0]]})";
  EXPECT_THAT(exported("csv", result_of(row)),
              HasSubstr("\n\"a,\"\"b\n(c); d\",0,0,ns,\"x,y\",1,"));
  const std::string text = exported("perf-script", result_of(row));
  EXPECT_THAT(text, HasSubstr(" fa_ult ([faultline])\n"));
  EXPECT_THAT(text, HasSubstr(" a,\"b__c___d ([cell])\n"));
  const PerfettoTrace trace(exported("perfetto", result_of(row)));
  EXPECT_EQ(trace.slices.size(), 2U);
}

TEST_F(Export, WithoutSamplesItSaysHowToGetThem) {
  refused(result_of(R"({"name": "a/on", "samples": null}, {"name": "a/off"})"),
          "none of its 2 rows has samples; `faultline run --samples` keeps them");
}

TEST_F(Export, RefusesWhatItCannotUse) {
  // A cell's figure is over all seeds; an origin is of KCIDB alone.
  refused(result_of(kCell), "--seed: of samples; kcidb has", "kcidb", {"--seed", "3"});
  refused(result_of(kCell), "--origin: of kcidb, and not of csv", "csv", {"--origin", "ci"});
  refused(result_of(kCell),
          "no format is called 'perfeto'; there is: perfetto, csv, perf-script, "
          "kcidb, lava, junit",
          "perfeto");
  const std::string whole = result_of(kCell);
  refused(whole.substr(0, whole.size() - 1), "no JSON at byte");
  refused(whole.substr(0, 120), "no JSON at byte 121");
  refused("", "no JSON at byte");
  refused("[]", "no `context`");
  refused(R"({"benchmarks": {}, "context": {}})", "`benchmarks` is no list");
  refused(R"({"benchmarks": [], "context": {"schema_version": 2}})", "schema is version 2");
  refused(
      R"({"benchmarks": [{"name": 7, "unit": [], "samples": {}}], "context": {"schema_version": "x"}})",
      "has no name or unit");
  refused(R"({"benchmarks": [], "context": )" + std::string(100, '[') + std::string(100, ']') + "}",
          "nests deeper than a result does");
  const auto with = [](const std::string& sample) {
    return result_of(R"({"name": "c", "unit": "ns", "sample_kinds": ["a", "b", "c", "d"],
        "samples": [[0, 1, 1, 1, 1, 0, 0, 0], )" +
                     sample + "]}");
  };
  refused(with("[4, 1, 1, 1, 1, 0, 0, 0]"), "c: sample 1 is of kind 4, but there are 4 kinds");
  refused(with("[0, 1, 18446744073709551615, 1, 1, 0, 0, 0]"), "too large");
}

TEST_F(Export, RefusesASideFileThatDoesNotFit) {
  const auto refused_now = [&](const std::string& words) {
    const CommandOutput output = run_again("csv");
    EXPECT_EQ(output.status, 2);
    EXPECT_THAT(output.error, HasSubstr(words));
  };
  exported("csv", result_of(kCell));
  const std::string side = scratch_ / kSamplesName;
  const std::string records = read_file(side);
  ASSERT_EQ(records.size(), 4 * 48U);
  write_file(side, records.substr(0, records.size() - 1));
  refused_now("records 0 to 4 of 3");
  write_file(side, records.substr(0, 3 * 48));
  refused_now("records 0 to 4 of 3");
  fs::remove(side);
  refused_now(kSamplesName);
  write_file(side, records);
  // As results were before they had one.
  write_file(scratch_ / "result.json", result_of(kCell));
  refused_now("as an earlier faultline wrote them; run the measurement again");
}

TEST_F(Export, AThreadIsNotInTwoFaultsAtATime) {
  refused(result_of(R"({"name": "c/on", "unit": "instr", "sample_kinds": ["fault"], "samples": [
            [0, 5, 100, 100, 0, 0, 0, 0], [0, 5, 150, 100, 0, 0, 0, 0]]})"),
          "c/on: thread 5: sample 0 (fault, 100 to 200) and sample 1 (fault, 150 to 250) overlap");
}

TEST_F(Export, OutputsThatCannotBeWritten) {
  write_result_file(scratch_ / "", result_of(kCell));
  const auto to = [&](const std::string& out) {
    return faultline_command({"export", "--to", "csv", scratch_ / "", "--out", out});
  };
  EXPECT_EQ(to(scratch_ / "no/such/folder/trace").status, 2);
  EXPECT_THAT(to(scratch_ / "no/such/folder/trace").error, HasSubstr("no/such/folder"));
  EXPECT_EQ(to("/dev/full").status, 69);
  const CommandOutput piped = to("/dev/stdout");
  EXPECT_EQ(piped.status, 0) << piped.error;
  EXPECT_THAT(piped.out, HasSubstr("k/ext4/on,0,0,instr,commit,70"));
  EXPECT_EQ(faultline_command({"export", "--to", "csv", scratch_ / "gone", "--out", "x"}).status,
            2);
}

TEST_F(Export, AMillionSamplesInTenSecondsAndHalfAGigabyte) {
  if (kAddressSanitizer) GTEST_SKIP() << "the sanitizers' own cost is not the command's";
  constexpr size_t kFaults = 333'334;
  {
    std::ofstream out(scratch_ / "result.json");
    std::ofstream side(scratch_ / kSamplesName, std::ios::binary);
    out << R"({"benchmarks": [{"name": "big/on", "unit": "instr",
        "sample_kinds": ["fault", "sync", "commit"], "samples":
        {"file": "samples.bin", "first": 0, "count": )"
        << 3 * kFaults << R"(}}], "context": {"schema_version": 1}})";
    for (size_t i = 0; i < kFaults; ++i) {
      const size_t t = 1'000'000 + i * 100'000;
      const Sample samples[] = {{0, 85, t, 70'000, 4096 * i, 256, 0, 0},
                                {1, 85, t + 10'000, 58'000, 4096 * i, 0, 0, i + 1},
                                {2, 70, t + 12'000, 50'000, 0, 85, 1, i + 1}};
      side.write(reinterpret_cast<const char*>(samples), sizeof samples);
    }
  }
  const CommandOutput output =
      faultline_command({"export", "--to", "perfetto", scratch_ / "", "--out", scratch_ / "trace"});
  ASSERT_EQ(output.status, 0) << output.error;
  EXPECT_THAT(output.error, HasSubstr("1000002 samples of 1 cell, 333334 waits"));
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  EXPECT_LT(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec, 10);
  EXPECT_LT(usage.ru_maxrss, 500 * 1024);
}

}  // namespace
}  // namespace faultline

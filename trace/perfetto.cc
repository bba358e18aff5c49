// SPDX-License-Identifier: GPL-2.0-only
// Perfetto's own trace format. The names of fields and their numbers are those of
// protos/perfetto/trace/ in Perfetto's sources.
#include <fmt/format.h>

#include <algorithm>
#include <protozero/pbf_writer.hpp>
#include <set>

#include "trace/trace_format.h"

namespace faultline {
namespace {

using protozero::pbf_writer;

namespace trace {
constexpr uint32_t kPacket = 1;
}
namespace packet {
constexpr uint32_t kTimestamp = 8;
constexpr uint32_t kTrustedPacketSequenceId = 10;
constexpr uint32_t kTrackEvent = 11;
constexpr uint32_t kInternedData = 12;
constexpr uint32_t kSequenceFlags = 13;
constexpr uint32_t kTrackDescriptor = 60;
constexpr uint32_t kTraceAttributes = 126;
constexpr uint32_t kStateCleared = 1;
constexpr uint32_t kNeedsState = 2;
}  // namespace packet
namespace descriptor {
constexpr uint32_t kUuid = 1;
constexpr uint32_t kName = 2;
constexpr uint32_t kParentUuid = 5;
}  // namespace descriptor
namespace event {
constexpr uint32_t kDebugAnnotations = 4;
constexpr uint32_t kType = 9;
constexpr uint32_t kNameIid = 10;
constexpr uint32_t kTrackUuid = 11;
constexpr uint32_t kFlowIds = 47;
constexpr int32_t kSliceBegin = 1;
constexpr int32_t kSliceEnd = 2;
}  // namespace event
namespace annotation {
constexpr uint32_t kNameIid = 1;
constexpr uint32_t kUintValue = 3;
constexpr uint32_t kPointerValue = 7;
constexpr uint32_t kStringValueIid = 17;
}  // namespace annotation
namespace interned {
constexpr uint32_t kEventNames = 2;
constexpr uint32_t kAnnotationNames = 3;
constexpr uint32_t kAnnotationStrings = 29;
constexpr uint32_t kIid = 1;
constexpr uint32_t kText = 2;
}  // namespace interned
namespace attributes {
constexpr uint32_t kAttribute = 1;
constexpr uint32_t kKey = 1;
constexpr uint32_t kStringValue = 3;
}  // namespace attributes

constexpr uint32_t kSequence = 1;

class Perfetto : public TraceWriter {
 public:
  Perfetto(const Sink& sink, const FaultResults& results) : sink_(sink), results_(results) {
    write([](pbf_writer& packet) {
      packet.add_uint32(packet::kSequenceFlags, packet::kStateCleared);
    });
  }

  void add(const SampleRow& row, const Timeline& timeline) override {
    units_.insert(row.unit);
    const uint64_t cell = ++uuid_;
    describe(cell, 0,
             row.unit == "ns" ? life_name(row)
                              : fmt::format("{} (1 ns is 1 {})", life_name(row), row.unit));
    const uint64_t first = uuid_ + 1;
    uuid_ += timeline.tracks.size();
    for (size_t i = 0; i < timeline.tracks.size(); ++i) {
      describe(first + i, cell, track_name(timeline.tracks[i]));
    }
    std::vector<Kind> kinds;
    for (const std::string& name : row.kinds) kinds.emplace_back(*this, name);
    std::vector<std::pair<uint32_t, uint64_t>> flows;  // a sample and an arrow at it
    flows.reserve(2 * timeline.waits.size());
    for (const Wait& wait : timeline.waits) {
      ++flow_;
      flows.emplace_back(wait.sync, flow_);
      flows.emplace_back(wait.work, flow_);
    }
    std::sort(flows.begin(), flows.end());
    std::vector<std::vector<uint64_t>> ends(timeline.tracks.size());  // of the open slices
    const auto close = [&](size_t track, uint64_t until) {
      std::vector<uint64_t>& open = ends[track];
      for (; !open.empty() && open.back() <= until; open.pop_back()) {
        write_event(open.back(), [&](pbf_writer& event) {
          event.add_enum(event::kType, event::kSliceEnd);
          event.add_uint64(event::kTrackUuid, first + track);
        });
      }
    };
    for (const Placed& placed : timeline.placed) {
      const Sample& sample = row.samples[placed.sample];
      close(placed.track, sample.start);
      const Kind& kind = kinds[sample.kind];
      const uint64_t result =
          kind.row.of_fault ? strings_.iid(*this, results_.text(sample.result)) : sample.result;
      const uint64_t order =
          kind.row.of_fault ? strings_.iid(*this, order_name(sample.order)) : sample.order;
      write_event(sample.start, [&](pbf_writer& event) {
        event.add_enum(event::kType, event::kSliceBegin);
        event.add_uint64(event::kTrackUuid, first + placed.track);
        event.add_uint64(event::kNameIid, kind.name);
        if (sample.address != 0) {
          const bool bytes = kind.row.home == Home::kJournal;
          annotate(event, kind.address, bytes ? annotation::kUintValue : annotation::kPointerValue,
                   sample.address);
        }
        const uint32_t form =
            kind.row.of_fault ? annotation::kStringValueIid : annotation::kUintValue;
        if (sample.result != 0 || kind.row.show_zero) {
          annotate(event, kind.result, form, result);
        }
        if (sample.order != 0 || (kind.row.of_fault && kind.row.show_zero))
          annotate(event, kind.order, form, order);
        if (sample.link != 0) annotate(event, kind.link, annotation::kUintValue, sample.link);
        if (kind.row.home == Home::kJournal) {
          annotate(event, kind.tid, annotation::kUintValue, sample.tid);
        }
        const auto at = std::lower_bound(flows.begin(), flows.end(),
                                         std::pair<uint32_t, uint64_t>(placed.sample, 0));
        for (auto flow = at; flow != flows.end() && flow->first == placed.sample; ++flow) {
          event.add_fixed64(event::kFlowIds, flow->second);
        }
      });
      ends[placed.track].push_back(sample.end());
    }
    for (size_t track = 0; track < ends.size(); ++track) close(track, UINT64_MAX);
  }

  void finish(const SampleFile& file) override {
    write([&](pbf_writer& packet) {
      pbf_writer all(packet, packet::kTraceAttributes);
      const auto attribute = [&](const std::string& key, const std::string& value) {
        pbf_writer one(all, attributes::kAttribute);
        one.add_string(attributes::kKey, key);
        one.add_string(attributes::kStringValue, value);
      };
      for (const std::string& unit : units_) {
        attribute("faultline.unit", unit);
        attribute("faultline.display", fmt::format("1 ns shown is 1 {}", unit));
      }
      for (const auto& [path, value] : file.context) {
        if (wanted(path)) attribute("faultline." + path, value);
      }
    });
    flush();
  }

 private:
  // Names that stand in the trace once, and are numbers from then on.
  class Names {
   public:
    explicit Names(uint32_t field) : field_(field) {}
    uint64_t iid(Perfetto& trace, const std::string& name) {
      uint64_t& iid = iids_[name];
      if (iid != 0) return iid;
      iid = iids_.size();
      trace.write([&](pbf_writer& packet) {
        packet.add_uint32(packet::kSequenceFlags, packet::kNeedsState);
        pbf_writer data(packet, packet::kInternedData);
        pbf_writer entry(data, field_);
        entry.add_uint64(interned::kIid, iid);
        entry.add_string(interned::kText, name);
      });
      return iid;
    }

   private:
    uint32_t field_;
    std::map<std::string, uint64_t> iids_;
  };

  struct Kind {
    Kind(Perfetto& trace, const std::string& id)
        : row(kind_named(id)),
          name(trace.events_.iid(trace, id)),
          address(trace.keys_.iid(trace, row.home == Home::kJournal ? "bytes" : "address")),
          result(trace.keys_.iid(trace, row.result_name)),
          order(trace.keys_.iid(trace, row.order_name)),
          link(trace.keys_.iid(trace, row.link_name)),
          tid(trace.keys_.iid(trace, "thread")) {}
    KindRow row;
    uint64_t name, address, result, order, link, tid;
  };

  static bool wanted(const std::string& path) {
    if (path.starts_with("kernels.")) return path.ends_with(".release");
    static const char* const kPaths[] = {"date", "command_line", "accel", "time_domain",
                                         "faultline.git_revision"};
    return std::find(std::begin(kPaths), std::end(kPaths), path) != std::end(kPaths);
  }

  static void annotate(pbf_writer& event, uint64_t name, uint32_t field, uint64_t value) {
    pbf_writer one(event, event::kDebugAnnotations);
    one.add_uint64(annotation::kNameIid, name);
    one.add_uint64(field, value);
  }

  template <typename Fill>
  void write(const Fill& fill) {
    {
      pbf_writer whole(bytes_);
      pbf_writer packet(whole, trace::kPacket);
      packet.add_uint32(packet::kTrustedPacketSequenceId, kSequence);
      fill(packet);
    }
    if (bytes_.size() >= kTracePiece) flush();
  }

  template <typename Fill>
  void write_event(uint64_t time, const Fill& fill) {
    write([&](pbf_writer& packet) {
      packet.add_uint64(packet::kTimestamp, time);
      packet.add_uint32(packet::kSequenceFlags, packet::kNeedsState);
      pbf_writer event(packet, packet::kTrackEvent);
      fill(event);
    });
  }

  void describe(uint64_t uuid, uint64_t parent, const std::string& name) {
    write([&](pbf_writer& packet) {
      pbf_writer track(packet, packet::kTrackDescriptor);
      track.add_uint64(descriptor::kUuid, uuid);
      if (parent != 0) track.add_uint64(descriptor::kParentUuid, parent);
      track.add_string(descriptor::kName, name);
    });
  }

  void flush() {
    sink_(bytes_);
    bytes_.clear();
  }

  const Sink& sink_;
  const FaultResults& results_;
  std::string bytes_;
  Names events_{interned::kEventNames};
  Names keys_{interned::kAnnotationNames};
  Names strings_{interned::kAnnotationStrings};
  std::set<std::string> units_;
  uint64_t uuid_ = 0;
  uint64_t flow_ = 0;
};

}  // namespace

std::unique_ptr<TraceWriter> make_perfetto(const Sink& sink, const FaultResults& results) {
  return std::make_unique<Perfetto>(sink, results);
}

}  // namespace faultline

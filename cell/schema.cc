// SPDX-License-Identifier: GPL-2.0-only
#include "cell/schema.h"

#include <fmt/format.h>

#include "cell/axes.h"
#include "cell/row.h"

namespace faultline {
namespace {

// All but the fields of a row: the context, and what holds between fields.
constexpr char kFrame[] = R"json(
{
 "$schema": "http://json-schema.org/draft-07/schema#",
 "$comment": "SPDX-License-Identifier: GPL-2.0-only",
 "title": "faultline result",
 "description": "One run of faultline, in Google Benchmark's layout. docs/result-format.md says what each field means.",
 "type": "object",
 "required": ["context", "benchmarks"],
 "properties": {
  "context": {"$ref": "#/definitions/context"},
  "benchmarks": {"type": "array", "items": {"$ref": "#/definitions/row"}}
 },
 "definitions": {
  "count": {"type": "integer", "minimum": 0, "maximum": 9223372036854775807},
  "cost": {"description": "in the row's unit", "type": "number", "minimum": 0, "maximum": 1e+100},
  "accel": {"enum": ["tcg-icount", "tcg", "kvm", "none"]},
  "time_domain": {"enum": ["virtual", "wall"]},
  "unit": {"enum": ["instr", "ns"]},
  "one_time_domain": {
   "description": "tcg-icount, virtual and instr belong together, and so do tcg, kvm or none (the host), wall and ns",
   "if": {"properties": {"time_domain": {"const": "virtual"}}, "required": ["time_domain"]},
   "then": {"properties": {"unit": {"const": "instr"}, "accel": {"const": "tcg-icount"}}},
   "else": {"properties": {"unit": {"const": "ns"}, "accel": {"enum": ["tcg", "kvm", "none"]}}}
  },
  "context": {
   "type": "object",
   "required": [
    "schema_version",
    "date",
    "executable",
    "num_cpus",
    "mhz_per_cpu",
    "cpu_scaling_enabled",
    "library_build_type",
    "faultline",
    "command_line",
    "complete",
    "host",
    "accel",
    "time_domain",
    "unit",
    "qemu",
    "kernels",
    "file_systems",
    "elapsed_s"
   ],
   "properties": {
    "schema_version": {"type": "integer", "minimum": 1},
    "date": {"type": "string"},
    "executable": {"type": "string"},
    "num_cpus": {"$ref": "#/definitions/count"},
    "mhz_per_cpu": {"type": "number", "minimum": 0},
    "cpu_scaling_enabled": {"type": "boolean"},
    "library_build_type": {"type": "string"},
    "faultline": {
     "type": "object",
     "required": ["version", "git_revision"],
     "properties": {"version": {"type": "string"}, "git_revision": {"type": "string"}}
    },
    "command_line": {"type": "array", "items": {"type": "string"}},
    "complete": {"type": "boolean"},
    "reason": {"type": "string"},
    "host": {
     "type": "object",
     "required": ["cpu_model", "kernel", "memory_bytes"],
     "properties": {
      "cpu_model": {"type": "string"},
      "kernel": {"type": "string"},
      "memory_bytes": {"$ref": "#/definitions/count"}
     }
    },
    "accel": {"$ref": "#/definitions/accel"},
    "time_domain": {"$ref": "#/definitions/time_domain"},
    "unit": {"$ref": "#/definitions/unit"},
    "on": {
     "description": "absent in results from before there was a choice: vm",
     "enum": ["vm", "host"]
    },
    "qemu": {
     "type": ["object", "null"],
     "required": ["version", "binary_sha256", "arguments"],
     "properties": {
      "version": {"type": "string"},
      "binary_sha256": {"type": ["string", "null"]},
      "fetched": {
       "description": "whether it is the one of the guest's suite and not this machine's; absent in results written before there was one",
       "type": "boolean"
      },
      "arguments": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}
     }
    },
    "kernels": {
     "type": "object",
     "additionalProperties": {
      "type": "object",
      "required": [
       "release",
       "version",
       "package",
       "vmlinuz_sha256",
       "config_sha256",
       "btf_crc32",
       "image_sha256",
       "command_line",
       "cpu_model"
      ],
      "properties": {
       "release": {"type": "string"},
       "version": {"type": ["string", "null"]},
       "package": {"type": ["string", "null"]},
       "vmlinuz_sha256": {"type": ["string", "null"]},
       "config_sha256": {"type": ["string", "null"]},
       "config_notes": {
        "description": "options of a kernel of the user's own that make a fault take another path than on Debian's; absent where there are none",
        "type": "array",
        "items": {"type": "string"}
       },
       "btf_crc32": {"type": ["string", "null"]},
       "module": {
        "type": "object",
        "required": ["sha256", "compiler", "image_sha256"],
        "properties": {
         "sha256": {"type": "string"},
         "compiler": {"type": "string"},
         "image_sha256": {"type": "string"}
        }
       },
       "image_sha256": {"type": ["string", "null"]},
       "command_line": {"type": ["string", "null"]},
       "cpu_model": {"type": ["string", "null"]}
      }
     }
    },
    "file_systems": {
     "type": "object",
     "additionalProperties": {
      "type": "object",
      "required": ["mkfs", "mount", "tool_version"],
      "properties": {
       "mkfs": {"type": "string"},
       "mount": {"type": "string"},
       "tool_version": {"type": ["string", "null"]},
       "features": {
        "description": "of the superblock, as read back; absent in results written before there were any; empty where it is not known",
        "type": "array",
        "items": {"type": "string"}
       }
      }
     }
    },
    "elapsed_s": {"type": "number", "minimum": 0},
    "tables": {
     "description": "what the names in rows stand for, each list in the order in which they are shown; absent in results written before there was the field",
     "type": "object",
     "properties": {
      "axes": {
       "description": "what tells cells apart, in the order of a cell's name; field: of a row that has it; letter: before its value in the name",
       "type": "array",
       "items": {"type": "object", "required": ["id", "field"], "properties": {"field": {"type": "string"}, "letter": {"type": "string"}}}
      }
     },
     "additionalProperties": {
      "type": "array",
      "items": {
       "type": "object",
       "required": ["id"],
       "properties": {
        "id": {"type": "string", "minLength": 1},
        "summary": {"type": "string"},
        "family": {"type": "string"},
        "kind": {"type": "string"},
        "twin": {"type": "boolean"}
       }
      }
     }
    },
    "caches": {"type": "array"},
    "load_avg": {"type": "array", "items": {"type": "number"}},
    "peak_rss_kib": {"$ref": "#/definitions/count"}
   },
   "allOf": [
    {"$ref": "#/definitions/one_time_domain"},
    {
     "$comment": "no QEMU on the host, and no accelerator",
     "if": {"properties": {"on": {"const": "host"}}, "required": ["on"]},
     "then": {"properties": {"qemu": {"type": "null"}, "accel": {"const": "none"}}},
     "else": {"properties": {"qemu": {"type": "object"}, "accel": {"not": {"const": "none"}}}}
    },
    {
     "if": {"properties": {"complete": {"const": false}}, "required": ["complete"]},
     "then": {"required": ["reason"], "properties": {"reason": {"minLength": 1}}}
    }
   ]
  },
  "buckets": {
   "description": "a bucket of a histogram that is empty is left out",
   "properties": {"histogram": {"items": {"items": [{}, {}, {"minimum": 1}]}}}
  },
  "contest": {
   "description": "a row in which others touch what a thread faults on",
   "properties": {"touch": {"type": "string"}},
   "required": ["touch"]
  },
  "row": {
   "allOf": [
    {"$ref": "#/definitions/one_time_domain"},
    {
     "$comment": "what the types of the fields leave open",
     "properties": {
      "threads": {"minimum": 1},
      "vcpus": {"minimum": 1},
      "probe": {
       "properties": {
        "fault": {"$ref": "#/definitions/buckets"},
        "sync": {"$ref": "#/definitions/buckets"},
        "commit": {"$ref": "#/definitions/buckets"},
        "fast_commit": {"$ref": "#/definitions/buckets"}
       }
      },
      "period_us": {"minimum": 1},
      "starved": {"properties": {"of": {"minimum": 1}}},
      "refused": {"properties": {"error": {"pattern": "^E[A-Z0-9]+$"}}},
      "scan": {"minItems": 1}
     }
    },
    {
     "if": {"properties": {"status": {"const": "ok"}}, "required": ["status"]},
     "then": {
      "properties": {
       "reason": {"const": ""},
       "per_fault": {"$ref": "#/definitions/cost"},
       "per_page": {"$ref": "#/definitions/cost"},
       "touches": {"$ref": "#/definitions/count"},
       "pages": {"$ref": "#/definitions/count"},
       "faults": {"$ref": "#/definitions/count"},
       "app_syncs": {"$ref": "#/definitions/count"},
       "losses": {
        "type": "object",
        "properties": {
         "dropped": {"const": 0},
         "missed": {"const": 0},
         "recursion": {"const": 0},
         "slots": {"const": 0}
        }
       }
      }
     },
     "else": {"properties": {"reason": {"minLength": 1}}}
    },
    {
     "if": {"properties": {"probes": {"const": "off"}}, "required": ["probes"]},
     "then": {
      "properties": {
       "commits": {"type": "null"},
       "fast_commits": {"type": "null"},
       "fallbacks": {"type": "null"},
       "probe": {"type": "null"},
       "tax": {"type": "null"},
       "tax_page": {"type": "null"}
      }
     },
     "else": {"required": ["tax", "tax_page"]}
    },
    {
     "$comment": "an ok row with probes has what the probes counted",
     "if": {
      "properties": {"status": {"const": "ok"}, "probes": {"const": "on"}},
      "required": ["status", "probes"]
     },
     "then": {"properties": {"probe": {"type": "object"}, "syncs": {"$ref": "#/definitions/count"}}}
    },
    {
     "$comment": "a contest is measured by its parties' own clocks, without probes",
     "if": {"$ref": "#/definitions/contest"},
     "then": {
      "required": [
       "attackers",
       "setting",
       "period_us",
       "starved",
       "slowdown",
       "slowdown_p50",
       "progress_max",
       "attack_rate",
       "refused",
       "reference",
       "scan",
       "module",
       "retries_p50",
       "retries_max"
      ],
      "properties": {
       "attackers": {"type": "integer"},
       "setting": {"type": "string"},
       "probes": {"const": "off"}
      },
      "if": {"properties": {"touch": {"const": "none"}}},
      "then": {"properties": {"attackers": {"const": 0}}},
      "else": {"properties": {"attackers": {"minimum": 1}}}
     },
     "else": {
      "properties": {
       "attackers": {"type": "null"},
       "setting": {"type": "null"},
       "period_us": {"type": "null"},
       "starved": {"type": "null"},
       "slowdown": {"type": "null"},
       "slowdown_p50": {"type": "null"},
       "progress_max": {"type": "null"},
       "attack_rate": {"type": "null"},
       "refused": {"type": "null"},
       "reference": {"type": "null"},
       "scan": {"type": "null"}
      },
      "if": {"properties": {"probes": {"const": "off"}}, "required": ["probes"]},
      "then": {
       "properties": {
        "syncs": {"type": "null"},
        "p50": {"type": "null"},
        "p90": {"type": "null"},
        "p99": {"type": "null"},
        "p99_9": {"type": "null"},
        "max": {"type": "null"}
       }
      }
     }
    },
    {
     "$comment": "an ok contest has its figures",
     "if": {
      "allOf": [
       {"$ref": "#/definitions/contest"},
       {"properties": {"status": {"const": "ok"}}, "required": ["status"]}
      ]
     },
     "then": {
      "properties": {
       "starved": {"type": "object"},
       "slowdown": {"$ref": "#/definitions/cost"},
       "slowdown_p50": {"$ref": "#/definitions/cost"},
       "progress_max": {"$ref": "#/definitions/cost"},
       "attack_rate": {"$ref": "#/definitions/cost"},
       "refused": {"type": "object"},
       "reference": {"type": "object"},
       "scan": {"type": "array"}
      }
     }
    }
   ]
  }
 }
}
)json";

// All that makes a row a contest's is null in rows of workloads without touches.
nlohmann::json contest_rule() {
  nlohmann::json ids = nlohmann::json::array();
  for (const Workload& workload : workloads()) {
    if (workload.contest != Contest::kNone) ids.push_back(workload.id);
  }
  return {
      {"$comment", "these workloads are contests, and all that makes a row one is null elsewhere"},
      {"if", {{"properties", {{"workload", {{"enum", ids}}}}}, {"required", {"workload"}}}},
      {"then", {{"$ref", "#/definitions/contest"}}},
      {"else", {{"properties", {{"touch", {{"type", "null"}}}}}}}};
}

}  // namespace

nlohmann::json result_schema() {
  nlohmann::json schema = nlohmann::json::parse(kFrame);
  nlohmann::json row = record::schema<Row>();
  row["allOf"] = schema["definitions"]["row"]["allOf"];
  row["allOf"].push_back(contest_rule());
  schema["definitions"]["row"] = std::move(row);
  return schema;
}

namespace {

// The fields of what T holds, each with the path to it.
template <typename T>
void add_fields(std::string& text, const std::string& path) {
  if constexpr (record::IsOptional<T>::value || record::IsMaybe<T>::value) {
    add_fields<typename T::value_type>(text, path);
  } else if constexpr (record::IsVector<T>::value) {
    add_fields<typename T::value_type>(text, path + "[]");
  } else if constexpr (record::IsRecord<T>) {
    T::fields([&](const auto& field) {
      const std::string name = path.empty() ? field.name : path + "." + field.name;
      text += fmt::format("| `{}` | {} | {} |\n", name, field.unit, field.meaning);
      add_fields<std::remove_cvref_t<decltype(std::declval<T>().*field.member)>>(text, name);
    });
  }
}

}  // namespace

std::string row_reference() {
  std::string text = "| field | unit | meaning |\n|---|---|---|\n";
  add_fields<Row>(text, "");
  return text;
}

}  // namespace faultline

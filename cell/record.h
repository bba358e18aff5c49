// SPDX-License-Identifier: GPL-2.0-only
// Records: structs whose fields are declared once, in one list, from which follow their JSON, its
// schema and its reference.
//
// A record is FAULTLINE_RECORD(Name, LIST), where LIST(FIELD) is a macro of one line a field:
// FIELD(type, name, "unit", "meaning"). cell/row.h has them.
//
// A field's type says what its JSON may be:
//   Count                 an integer from 0 on (the largest is 2^63 - 1)
//   double, Cost          a number from 0 on; a Cost that was measured whole is written so
//   Signed                any number
//   std::string           text; Word: an id; Line: text that is not empty
//   an enum with table_of(), Choice<kIds>   one of these ids
//   std::optional<T>      T or null
//   Maybe<T>              T, or the field is not there
//   std::vector<T>, std::array<T, N>, std::map<std::string, T>, a record
//   std::pair<T, U>       an array of the two
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cell/cell.h"
#include "cell/failure.h"

namespace faultline {

using Count = std::uint64_t;

struct Signed {
  double value = 0;
  Signed() = default;
  // NOLINTNEXTLINE(google-explicit-constructor,hicpp-explicit-conversions)
  Signed(double number) : value(number) {}
};

// A number from 0 on that stays whole in the JSON where it was measured whole.
struct Cost {
  double value = 0;
  bool whole = false;
  Cost() = default;
  // NOLINTNEXTLINE(google-explicit-constructor,hicpp-explicit-conversions)
  Cost(double number) : value(number) {}
  // NOLINTNEXTLINE(google-explicit-constructor,hicpp-explicit-conversions)
  Cost(std::uint64_t number) : value(static_cast<double>(number)), whole(true) {}
};

// An id: lower case letters, digits and "_.+-".
struct Word : std::string {
  using std::string::string;
  Word() = default;
  // NOLINTNEXTLINE(google-explicit-constructor,hicpp-explicit-conversions)
  Word(std::string text) : std::string(std::move(text)) {}
};

struct Line : std::string {
  using std::string::string;
  Line() = default;
  // NOLINTNEXTLINE(google-explicit-constructor,hicpp-explicit-conversions)
  Line(std::string text) : std::string(std::move(text)) {}
};

// One of the ids of a constant array of C strings.
template <const auto& kIds>
struct Choice : std::string {
  using std::string::string;
  Choice() : std::string(kIds[0]) {}
  // NOLINTNEXTLINE(google-explicit-constructor,hicpp-explicit-conversions)
  Choice(std::string text) : std::string(std::move(text)) {}
};

// A field that is absent in the JSON where it has no value.
template <typename T>
struct Maybe : std::optional<T> {
  using std::optional<T>::optional;
};

// One field of a record, as the visitor of R::fields() gets it.
template <typename R, typename T>
struct FieldOf {
  const char* name;
  T R::*member;
  const char* unit;
  const char* meaning;
};

#define FAULTLINE_FIELD_MEMBER(type, name, unit, meaning) type name = {};
#define FAULTLINE_FIELD_VISIT(type, name, unit, meaning) \
  visit(FieldOf<Self, type>{#name, &Self::name, unit, meaning});
#define FAULTLINE_RECORD(Record, LIST)    \
  struct Record {                         \
    using Self = Record;                  \
    LIST(FAULTLINE_FIELD_MEMBER)          \
    template <typename Visitor>           \
    static void fields(Visitor&& visit) { \
      LIST(FAULTLINE_FIELD_VISIT)         \
    }                                     \
  };

namespace record {

template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsMaybe : std::false_type {};
template <typename T>
struct IsMaybe<Maybe<T>> : std::true_type {};
template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
template <typename T>
struct IsArray : std::false_type {};
template <typename T, std::size_t N>
struct IsArray<std::array<T, N>> : std::true_type {};
template <typename T>
struct IsMap : std::false_type {};
template <typename T>
struct IsMap<std::map<std::string, T>> : std::true_type {};
template <typename T>
struct IsPair : std::false_type {};
template <typename T, typename U>
struct IsPair<std::pair<T, U>> : std::true_type {};
template <typename T>
struct IsChoice : std::false_type {};
template <const auto& kIds>
struct IsChoice<Choice<kIds>> : std::true_type {
  static std::vector<std::string> ids() { return {std::begin(kIds), std::end(kIds)}; }
};
template <typename T>
concept IsRecord = requires {
  typename T::Self;
};

template <typename E>
std::vector<std::string> ids_of_enum() {
  std::vector<std::string> ids;
  for (const auto& row : table_of(E{})) ids.emplace_back(row.id);
  return ids;
}

template <typename T>
nlohmann::json write(const T& value);
// `place` names the value in the Failure(kVmFailed) that says what is wrong with it.
template <typename T>
void read(const nlohmann::json& json, T& value, const std::string& place);
// The JSON Schema (draft 7) of a type's values.
template <typename T>
nlohmann::json schema();

// What is wrong with one value; `place` is empty for the row as a whole.
class Refusal : public Failure {
 public:
  Refusal(const std::string& place, const std::string& wrong)
      : Failure(ExitCode::kVmFailed, (place.empty() ? "a row" : "a row's " + place) + " " + wrong),
        wrong_(wrong) {}
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

 private:
  std::string wrong_;
};
[[noreturn]] void refuse(const std::string& place, const nlohmann::json& json,
                         const std::string& wanted);
[[noreturn]] void refuse_missing(const std::string& place);
[[noreturn]] void refuse_unknown(const std::string& place);

// What a reader does with a record that lacks a field: that of results written earlier takes it.
enum class Missing { kRefuse, kTake };
template <typename R>
void read_record(const nlohmann::json& json, R& value, const std::string& place,
                 Missing missing = Missing::kRefuse);

}  // namespace record

template <typename R>
nlohmann::json json_of(const R& value) {
  return record::write(value);
}

namespace record {

template <typename T>
nlohmann::json write(const T& value) {
  if constexpr (IsOptional<T>::value || IsMaybe<T>::value) {
    return value ? write(*value) : nlohmann::json(nullptr);
  } else if constexpr (IsVector<T>::value || IsArray<T>::value) {
    nlohmann::json json = nlohmann::json::array();
    for (const auto& item : value) json.push_back(write(item));
    return json;
  } else if constexpr (IsMap<T>::value) {
    nlohmann::json json = nlohmann::json::object();
    for (const auto& [key, item] : value) json[key] = write(item);
    return json;
  } else if constexpr (IsRecord<T>) {
    nlohmann::json json = nlohmann::json::object();
    T::fields([&](const auto& field) {
      const auto& item = value.*field.member;
      if constexpr (IsMaybe<std::remove_cvref_t<decltype(item)>>::value) {
        if (!item) return;
      }
      json[field.name] = write(item);
    });
    return json;
  } else if constexpr (IsPair<T>::value) {
    return nlohmann::json::array({write(value.first), write(value.second)});
  } else if constexpr (std::is_same_v<T, Signed>) {
    return value.value;
  } else if constexpr (std::is_same_v<T, Cost>) {
    return value.whole ? nlohmann::json(static_cast<std::uint64_t>(value.value))
                       : nlohmann::json(value.value);
  } else if constexpr (std::is_same_v<T, WritesPerSync>) {
    return writes_per_sync_json(value.k);
  } else if constexpr (std::is_enum_v<T>) {
    return id_of(value);
  } else if constexpr (std::is_base_of_v<std::string, T>) {
    return static_cast<const std::string&>(value);
  } else {
    return value;
  }
}

template <typename R>
void read_record(const nlohmann::json& json, R& value, const std::string& place, Missing missing) {
  if (!json.is_object()) refuse(place, json, "an object");
  std::size_t known = 0;
  R::fields([&](const auto& field) {
    using T = std::remove_cvref_t<decltype(value.*field.member)>;
    const auto found = json.find(field.name);
    const std::string where = place.empty() ? field.name : place + "." + field.name;
    if (found == json.end()) {
      if (!IsMaybe<T>::value && missing == Missing::kRefuse) refuse_missing(where);
      return;
    }
    ++known;
    read(*found, value.*field.member, where);
  });
  if (missing == Missing::kRefuse && known != json.size()) {
    for (const auto& item : json.items()) {
      bool there = false;
      R::fields([&](const auto& field) { there = there || item.key() == field.name; });
      std::string where = place;
      if (!where.empty()) where.append(".");
      if (!there) refuse_unknown(where.append(item.key()));
    }
  }
}

template <typename T>
void read(const nlohmann::json& json, T& value, const std::string& place) {
  if constexpr (IsMaybe<T>::value) {
    read(json, value.emplace(), place);
  } else if constexpr (IsOptional<T>::value) {
    if (json.is_null()) {
      value.reset();
    } else {
      read(json, value.emplace(), place);
    }
  } else if constexpr (IsVector<T>::value) {
    if (!json.is_array()) refuse(place, json, "an array");
    value.clear();
    for (const nlohmann::json& item : json) read(item, value.emplace_back(), place + "[]");
  } else if constexpr (IsArray<T>::value) {
    if (!json.is_array() || json.size() != value.size()) {
      refuse(place, json, "an array of " + std::to_string(value.size()));
    }
    for (std::size_t i = 0; i < value.size(); ++i) read(json[i], value.at(i), place + "[]");
  } else if constexpr (IsPair<T>::value) {
    if (!json.is_array() || json.size() != 2) refuse(place, json, "an array of 2");
    read(json[0], value.first, place + "[0]");
    read(json[1], value.second, place + "[1]");
  } else if constexpr (IsMap<T>::value) {
    if (!json.is_object()) refuse(place, json, "an object");
    value.clear();
    for (const auto& [key, item] : json.items()) {
      std::string where = place;
      where.append(".").append(key);
      read(item, value[key], where);
    }
  } else if constexpr (IsRecord<T>) {
    read_record(json, value, place);
  } else if constexpr (std::is_same_v<T, Signed>) {
    if (!json.is_number()) refuse(place, json, "a number");
    value.value = json.get<double>();
  } else if constexpr (std::is_same_v<T, Cost>) {
    if (!json.is_number() || json < 0) refuse(place, json, "a number from 0 on");
    value = json.is_number_integer() ? Cost(json.get<std::uint64_t>()) : Cost(json.get<double>());
  } else if constexpr (std::is_same_v<T, WritesPerSync>) {
    if (json.is_null()) {
      value.k = kNoK;
    } else if (json == "all") {
      value.k = kEveryAll;
    } else if (json.is_number_unsigned() && json.get<std::uint64_t>() > 0) {
      value.k = json.get<std::uint64_t>();
    } else {
      refuse(place, json, "a number from 1 on, \"all\" or null");
    }
  } else if constexpr (std::is_enum_v<T>) {
    const std::vector<std::string> ids = ids_of_enum<T>();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (json == ids[i]) {
        value = static_cast<T>(i);
        return;
      }
    }
    std::string list = "one of";
    for (const std::string& id : ids) list.append(ids.front() == id ? " " : ", ").append(id);
    refuse(place, json, list);
  } else if constexpr (IsChoice<T>::value) {
    for (const std::string& id : IsChoice<T>::ids()) {
      if (json == id) {
        value = T(id);
        return;
      }
    }
    refuse(place, json, "one of the ids");
  } else if constexpr (std::is_base_of_v<std::string, T>) {
    if (!json.is_string()) refuse(place, json, "text");
    value = T(json.get<std::string>());
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!json.is_boolean()) refuse(place, json, "true or false");
    value = json.get<bool>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!json.is_number() || json < 0) refuse(place, json, "a number from 0 on");
    value = json.get<T>();
  } else if constexpr (std::is_unsigned_v<T>) {
    constexpr std::uint64_t kMost =
        sizeof(T) < sizeof(Count) ? std::numeric_limits<T>::max() : INT64_MAX;
    if (!json.is_number_integer() || json < 0 || json.get<std::uint64_t>() > kMost) {
      refuse(place, json, "a count");
    }
    value = json.get<T>();
  } else {
    if (!json.is_number_integer()) refuse(place, json, "an integer");
    value = json.get<T>();
  }
}

template <typename T>
nlohmann::json or_null(nlohmann::json schema) {
  if (schema.contains("enum")) {
    schema["enum"].push_back(nullptr);
  } else if (schema.contains("type") && schema["type"].is_string()) {
    schema["type"] = nlohmann::json::array({schema["type"], "null"});
  } else {
    return {{"oneOf", {schema, {{"type", "null"}}}}};
  }
  return schema;
}

template <typename R>
nlohmann::json schema_of_record() {
  nlohmann::json properties = nlohmann::json::object();
  nlohmann::json required = nlohmann::json::array();
  R::fields([&](const auto& field) {
    using T = std::remove_cvref_t<decltype(std::declval<R>().*field.member)>;
    nlohmann::json property = schema<T>();
    std::string description = field.meaning;
    if (*field.unit != '\0') description += std::string(" (") + field.unit + ")";
    property["description"] = description;
    properties[field.name] = std::move(property);
    if (!IsMaybe<T>::value) required.push_back(field.name);
  });
  return {{"type", "object"},
          {"additionalProperties", false},
          {"required", required},
          {"properties", properties}};
}

template <typename T>
nlohmann::json schema() {
  if constexpr (IsOptional<T>::value) {
    using Inner = typename T::value_type;
    return or_null<Inner>(schema<Inner>());
  } else if constexpr (IsMaybe<T>::value) {
    return schema<typename T::value_type>();
  } else if constexpr (IsVector<T>::value) {
    return {{"type", "array"}, {"items", schema<typename T::value_type>()}};
  } else if constexpr (IsArray<T>::value) {
    return {{"type", "array"},
            {"items", schema<typename T::value_type>()},
            {"minItems", std::tuple_size_v<T>},
            {"maxItems", std::tuple_size_v<T>}};
  } else if constexpr (IsPair<T>::value) {
    return {{"type", "array"},
            {"items", nlohmann::json::array(
                          {schema<typename T::first_type>(), schema<typename T::second_type>()})},
            {"minItems", 2},
            {"maxItems", 2}};
  } else if constexpr (IsMap<T>::value) {
    return {{"type", "object"}, {"additionalProperties", schema<typename T::mapped_type>()}};
  } else if constexpr (IsRecord<T>) {
    return schema_of_record<T>();
  } else if constexpr (std::is_same_v<T, Signed>) {
    return {{"type", "number"}, {"minimum", -1e100}, {"maximum", 1e100}};
  } else if constexpr (std::is_same_v<T, WritesPerSync>) {
    return {{"type", {"integer", "string", "null"}}, {"minimum", 1}, {"pattern", "^all$"}};
  } else if constexpr (std::is_enum_v<T>) {
    return {{"enum", ids_of_enum<T>()}};
  } else if constexpr (IsChoice<T>::value) {
    return {{"enum", IsChoice<T>::ids()}};
  } else if constexpr (std::is_same_v<T, Word>) {
    return {{"type", "string"}, {"pattern", "^[a-z0-9][a-z0-9_.+-]*$"}};
  } else if constexpr (std::is_same_v<T, Line>) {
    return {{"type", "string"}, {"minLength", 1}};
  } else if constexpr (std::is_base_of_v<std::string, T>) {
    return {{"type", "string"}};
  } else if constexpr (std::is_same_v<T, bool>) {
    return {{"type", "boolean"}};
  } else if constexpr (std::is_floating_point_v<T> || std::is_same_v<T, Cost>) {
    return {{"type", "number"}, {"minimum", 0}, {"maximum", 1e100}};
  } else if constexpr (std::is_unsigned_v<T>) {
    return {{"type", "integer"}, {"minimum", 0}, {"maximum", INT64_MAX}};
  } else {
    return {{"type", "integer"}};
  }
}

}  // namespace record
}  // namespace faultline

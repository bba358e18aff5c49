// SPDX-License-Identifier: GPL-2.0-only
// JSON that others have written: a guest, QEMU, a user, a file that was damaged.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace faultline {

// Deeper than this nothing of ours nests. What nests a million deep is parsed without harm, but
// ends the stack of whoever walks or prints it.
inline constexpr int kMostNested = 64;

// How deep the brackets of a JSON text nest.
inline int nesting_of(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

// Parses a text. The value is discarded (is_discarded()) if it is no JSON, or nests deeper than
// kMostNested.
inline nlohmann::json parse_json(std::string_view text) {
  if (nesting_of(text) > kMostNested) return nlohmann::json(nlohmann::json::value_t::discarded);
  return nlohmann::json::parse(text, nullptr, false);
}

// The text of an object's field; "" where it has none, or one of another type.
inline std::string text_in(const nlohmann::json& object, const char* field,
                           const char* otherwise = "") {
  const auto found = object.find(field);
  return found != object.end() && found->is_string() ? found->get<std::string>() : otherwise;
}

}  // namespace faultline

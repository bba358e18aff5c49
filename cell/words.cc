// SPDX-License-Identifier: GPL-2.0-only
#include "cell/words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>
#include <string_view>

namespace faultline {
namespace {

// Levenshtein's distance: single letters put in, left out or exchanged.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ',');) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::vector<std::string> split_words(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string wrapped(const std::string& text, std::size_t columns, std::size_t first,
                    std::size_t rest) {
  std::string out;
  std::string line(first, ' ');
  bool empty = true;
  const auto end_line = [&] {
    out += line + "\n";
    line.assign(rest, ' ');
    empty = true;
  };
  for (std::string word : split_words(text)) {
    for (std::size_t room = columns - rest; word.size() > room;) {
      const std::size_t comma = word.rfind(',', room - 1);
      if (comma == std::string::npos) break;
      if (!empty) end_line();
      line += word.substr(0, comma + 1);
      end_line();
      word.erase(0, comma + 1);
    }
    if (!empty && line.size() + 1 + word.size() > columns) end_line();
    if (!empty) line += ' ';
    line += word;
    empty = false;
  }
  return out + line;
}

std::string cpu_info(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t value = line.find(": ");
    if (line.starts_with(key) && value != std::string::npos) return line.substr(value + 2);
  }
  return "";
}

std::string as_file_name(const std::string& text) {
  std::string name = text;
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && std::string_view("._-+").find(c) == std::string_view::npos) c = '_';
  }
  return name;
}

std::vector<std::string> near_names(const std::string& name,
                                    const std::vector<std::string>& known) {
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(name, candidate);
    const bool inside = name.size() > 2 && candidate.find(name) != std::string::npos;
    if (inside || distance <= std::max<std::size_t>(2, candidate.size() / 3)) {
      ranked.emplace_back(inside ? 0 : distance, candidate);
    }
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> near;
  for (const auto& [distance, candidate] : ranked) {
    if (near.size() < 3) near.push_back(candidate);
  }
  return near;
}

std::string unknown_name(const std::string& option, const std::string& name,
                         const std::vector<std::string>& known) {
  const std::vector<std::string> near = near_names(name, known);
  return near.empty() ? fmt::format("{}: nothing is called '{}'; there is: {}", option, name,
                                    fmt::join(known, ", "))
                      : fmt::format("{}: nothing is called '{}'; did you mean {}?", option, name,
                                    fmt::join(near, " or "));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace faultline

// SPDX-License-Identifier: GPL-2.0-only
// Words and numbers that both sides take apart or put together the same way.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace faultline {

// Splits "a,b,c" into its parts; empty parts are left out.
std::vector<std::string> split_list(const std::string& list);

// The words between blanks and ends of lines.
std::vector<std::string> split_words(const std::string& text);

// The first line of a text, without its end.
std::string first_line(const std::string& text);

// The text's words in lines of at most `columns`, with no end after the last: the first begins with
// `first` blanks, the others with `rest`. A word that is longer is broken behind commas, or stands
// alone.
std::string wrapped(const std::string& text, std::size_t columns, std::size_t first = 0,
                    std::size_t rest = 0);

// The value of the first key of /proc/cpuinfo, whose text is given, that begins so; "": there is
// none.
std::string cpu_info(const std::string& text, const std::string& key);

// The text as a file's name that every file system and archive takes: letters, digits and "._-+"
// stay, anything else becomes '_'.
std::string as_file_name(const std::string& text);

// Names of `known` that are near to `name`, best first, at most three: for "did you mean".
std::vector<std::string> near_names(const std::string& name, const std::vector<std::string>& known);

// One line that says that nothing is called `name`, with the near names, or all if none is near.
// `option` is named first, as in "--fs: nothing is called 'etx4'; did you mean ext4?".
std::string unknown_name(const std::string& option, const std::string& name,
                         const std::vector<std::string>& known);

// The middle value, of an even count the mean of the middle two. `values` must not be empty.
double median(std::vector<double> values);

// Where the sample stands that represents `count` sorted ones: the middle one, of an even count the
// lower of the middle two, since a sample that was measured is wanted and not a mean of two.
constexpr std::size_t middle_sample(std::size_t count) { return (count - 1) / 2; }

}  // namespace faultline

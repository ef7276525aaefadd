#pragma once

#include <string>
#include <vector>

namespace backflow::train {

/// "a, b or c" of three words, when `last` is " or ".
std::string join(const std::vector<std::string>& words, const std::string& last);

/// What to say of a word in the place of a command.
std::string unknown_command(const std::string& word, const std::vector<std::string>& commands);

/// What to say of an argument that a command does not take; `next` is the one behind it, or empty. A configuration's
/// key written as an option, "--epochs 2" or "--lr=0.1", and one without --set, are recognised by `keys`, as
/// "train.epochs"; `options` are the command's, as "--out".
std::string unknown_argument(const std::string& word, const std::string& next, const std::vector<std::string>& options,
                             const std::vector<std::string>& keys);

}  // namespace backflow::train

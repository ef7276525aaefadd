#pragma once

#include <string>

namespace backflow::train {

/// Writes a picture of a report to `file`, a PNG of 1280 pixels of width. A headless Chromium draws the page, so the
/// picture is what a browser shows. Throws Error when there is none, or it fails or takes longer than three minutes.
void write_picture(const std::string& page, const std::string& file);

}  // namespace backflow::train

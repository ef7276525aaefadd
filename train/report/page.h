#pragma once

#include <string>
#include <string_view>

namespace backflow::train {

/// Whether a page asks its server for newer data.
enum class PageMode { File, Follow };

/// The report as one HTML file that needs nothing else. `json` is ReportData::json(); it stands in the page as data
/// that no browser takes for HTML.
std::string report_page(std::string_view json, PageMode mode);

}  // namespace backflow::train
